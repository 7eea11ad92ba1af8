import numpy as np
import pytest

from gradbench.calibration.replay import CONTROL, Rerun, reruns_of
from gradbench.statistics.estimates import estimate
from gradbench.statistics.sample import Sample
from tests.calibration.simulated import BASELINE, samples

TRUTHS = {"twin": 1.0, "foreach/set_to_none": 0.5}


def lone_rerun(**options: float) -> Rerun:
    frame = samples(TRUTHS, reruns=1, **options)  # type: ignore[arg-type]
    [(hogs, number, rerun)] = reruns_of(frame, BASELINE)
    assert (hogs, number) == (0, 0)
    return rerun


@pytest.mark.parametrize("differ", [False, True])
def test_a_rerun_replays_what_the_engine_states(differ: bool) -> None:
    frame = samples(TRUTHS, reruns=1)
    frame.loc[frame["round"] == 3, "seconds"] *= 2  # rounds of little bandwidth
    if differ:
        frame["processor"] = 2 + frame["replicate"] % 2
        slowed = (frame["processor"] == 3) & (frame["cell"] == "foreach/set_to_none")
        frame.loc[slowed, "seconds"] *= 1.5
    engine = estimate(
        [
            Sample(
                cell=row.cell,
                protocol="isolated",
                replicate=row.replicate,
                round=row.round,
                phase="update",
                calls=1,
                seconds=row.seconds,
                host_s=row.seconds,
                device_s=None,
                switched=row.switched,
                processor=row.processor if differ else None,
            )
            for row in frame.itertuples()
        ],
        baseline=BASELINE,
        twin="twin",
        control=CONTROL,
    )
    [(_, _, rerun)] = reruns_of(frame, BASELINE)
    replayed = rerun.intervals()
    assert set(replayed) == set(TRUTHS)
    for cell, interval in replayed.items():
        assert interval == engine.speedups[cell]
    assert not engine.contended
    assert any(engine.disturbed_samples)
    assert replayed["foreach/set_to_none"].half_width < 0.05  # that they differ is no noise


def test_on_which_processor_replicates_began_is_read() -> None:
    frame = samples(TRUTHS, reruns=1)
    [(_, _, untold)] = reruns_of(frame, BASELINE)
    assert untold.processors == ()
    half = (frame["replicate"] % 2).where(frame["replicate"] < 4)
    [(_, _, told)] = reruns_of(frame.assign(processor=half.astype("Int64")), BASELINE)
    assert told.processors == (0, 1, 0, 1, None, None, None, None)
    assert told.first(3).processors == (0, 1, 0)


def test_a_rerun_of_short_disturbed_samples_says_nothing_and_one_of_long_ones_does() -> None:
    frame = samples(TRUTHS, reruns=1)
    frame["switched"] = True
    [(_, _, short)] = reruns_of(frame, BASELINE)
    assert all(interval.low == 0 for interval in short.intervals().values())
    [(_, _, long)] = reruns_of(frame.assign(calls=100), BASELINE)
    assert all(interval.low > 0 for interval in long.intervals().values())


def test_stopping_takes_no_more_than_it_needs() -> None:
    quiet, noisy = lone_rerun(between=1e-4, within=1e-4), lone_rerun(between=0.1, within=0.1)
    assert quiet.stopped(0.01, 6).replicates == 6
    assert noisy.stopped(0.01, 6).replicates == 8


def test_a_busy_rerun_is_judged_as_the_engine_states_it() -> None:
    frame = samples(TRUTHS, reruns=1, replicates=12)
    drift = np.exp(0.08 * np.sin(np.arange(12) / 2) / 0.4)
    slower = frame["cell"] == "twin"
    frame.loc[slower, "seconds"] *= drift[frame.loc[slower, "replicate"]]
    [(_, _, quiet)] = reruns_of(frame.assign(contention=None), BASELINE)
    [(_, _, busy)] = reruns_of(frame.assign(contention="other processes"), BASELINE)
    assert (quiet.busy, busy.busy) == (False, True)
    assert busy.first(8).busy
    narrow, wide = quiet.intervals()["twin"], busy.intervals()["twin"]
    assert wide.estimate == narrow.estimate
    assert wide.half_width > 1.2 * narrow.half_width


def test_a_busy_rerun_does_not_stop_early() -> None:
    frame = samples(TRUTHS, reruns=1, replicates=12, between=1e-4, within=1e-4)
    [(_, _, quiet)] = reruns_of(frame, BASELINE)
    [(_, _, busy)] = reruns_of(frame.assign(contention="other processes"), BASELINE)
    assert quiet.stopped(0.01, 6).replicates == 6
    assert busy.stopped(0.01, 6).replicates == 12


def test_no_control_is_a_cell() -> None:
    frame = samples({**TRUTHS, "exchange": 0.01, "compute": 2.0}, reruns=1, between=1e-4)
    [(_, _, rerun)] = reruns_of(frame, BASELINE)
    assert set(rerun.cells) == set(rerun.intervals()) == set(TRUTHS)
    assert rerun.stopped(0.01, 6).replicates == 6
    apart = frame["cell"].eq("exchange") & frame["replicate"].eq(2)
    frame.loc[apart, "seconds"] *= 3
    frame.loc[frame["replicate"].eq(2) & frame["cell"].eq("twin"), "seconds"] *= 2
    [(_, _, moved)] = reruns_of(frame, BASELINE)
    assert moved.intervals()["twin"].replicates == 7  # without the one that was apart
