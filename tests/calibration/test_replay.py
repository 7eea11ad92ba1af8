import numpy as np
import pytest

from gradbench.calibration.methods import METHODS, STATED
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


def test_the_stated_method_replays_what_the_engine_states() -> None:
    frame = samples(TRUTHS, reruns=1)
    frame.loc[frame["round"] == 3, "seconds"] *= 2  # rounds of little bandwidth
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
            )
            for row in frame.itertuples()
        ],
        baseline=BASELINE,
        twin="twin",
        control=CONTROL,
    )
    [(_, _, rerun)] = reruns_of(frame, BASELINE)
    replayed = rerun.intervals(STATED)
    assert set(replayed) == set(TRUTHS)
    for cell, interval in replayed.items():
        assert interval == engine.speedups[cell]
    assert rerun.kept()[1] == engine.contended
    kept = sum(np.isfinite(times).sum() for times in rerun.kept()[0].values())
    assert kept == len(frame) - sum(engine.disturbed_samples)


def test_contended_reruns_use_all_samples() -> None:
    frame = samples(TRUTHS, reruns=1)
    frame["switched"] = True
    [(_, _, rerun)] = reruns_of(frame, BASELINE)
    kept, contended = rerun.kept()
    assert contended
    assert all(np.isfinite(times).all() for times in kept.values())


@pytest.mark.parametrize("method", METHODS, ids=lambda m: f"{m.estimator}, {m.interval}")
def test_every_candidate_finds_the_truth_in_little_noise(method: object) -> None:
    rerun = lone_rerun(between=1e-4, within=1e-4)
    interval = rerun.intervals(method)["foreach/set_to_none"]  # type: ignore[arg-type]
    assert interval.estimate == pytest.approx(2.0, rel=1e-3)
    assert interval.low <= interval.estimate <= interval.high
    assert interval.half_width < 1e-3


def test_exactly_one_candidate_is_stated_and_none_is_there_twice() -> None:
    assert [method.stated for method in METHODS].count(True) == 1
    assert len({(m.estimator, m.interval) for m in METHODS}) == len(METHODS)


def test_stopping_takes_no_more_than_it_needs() -> None:
    quiet, noisy = lone_rerun(between=1e-4, within=1e-4), lone_rerun(between=0.1, within=0.1)
    assert quiet.stopped(0.01, 6).replicates == 6
    assert noisy.stopped(0.01, 6).replicates == 8


def test_thinned_replicates_keep_their_first_rounds() -> None:
    rerun = lone_rerun().thinned(0.5)
    assert rerun.replicates == 8
    for times in rerun.times.values():
        assert np.isfinite(times[:, :3]).all()
        assert np.isnan(times[:, 3:]).all()


def test_the_rounds_of_a_replicate_are_not_independent() -> None:
    """Pooling rounds covers too little when allocations differ; ranking replicates does not."""
    methods = {
        method.interval: method for method in METHODS if method.estimator == STATED.estimator
    }
    pooled, ranked = methods["order statistics, rounds pooled"], STATED
    hits = {"pooled": 0, "ranked": 0}
    frame = samples(TRUTHS, reruns=60, between=0.02, within=0.005, seed=3)
    for _, _, rerun in reruns_of(frame, BASELINE):
        for name, method in (("pooled", pooled), ("ranked", ranked)):
            interval = rerun.intervals(method)["twin"]
            hits[name] += interval.low <= 1.0 <= interval.high
    assert hits["pooled"] < 0.85 * 60
    assert hits["ranked"] >= 0.88 * 60


def test_a_busy_rerun_is_judged_as_the_engine_states_it() -> None:
    frame = samples(TRUTHS, reruns=1, replicates=12)
    drift = np.exp(0.08 * np.sin(np.arange(12) / 2) / 0.4)
    slower = frame["cell"] == "twin"
    frame.loc[slower, "seconds"] *= drift[frame.loc[slower, "replicate"]]
    [(_, _, quiet)] = reruns_of(frame.assign(contention=None), BASELINE)
    [(_, _, busy)] = reruns_of(frame.assign(contention="other processes"), BASELINE)
    assert (quiet.busy, busy.busy) == (False, True)
    assert busy.first(8).busy
    assert busy.thinned(0.5).busy
    narrow, wide = quiet.intervals(STATED)["twin"], busy.intervals(STATED)["twin"]
    assert wide.estimate == narrow.estimate
    assert wide.half_width > 1.2 * narrow.half_width


def test_a_busy_rerun_does_not_stop_early() -> None:
    frame = samples(TRUTHS, reruns=1, replicates=12, between=1e-4, within=1e-4)
    [(_, _, quiet)] = reruns_of(frame, BASELINE)
    [(_, _, busy)] = reruns_of(frame.assign(contention="other processes"), BASELINE)
    assert quiet.stopped(0.01, 6).replicates == 6
    assert busy.stopped(0.01, 6).replicates == 12
