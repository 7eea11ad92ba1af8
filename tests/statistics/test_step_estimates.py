"""What samples of training steps say: pairs, six clean ones at least, and honest intervals."""

import math

import numpy as np
import pytest

from gradbench.statistics.sample import Phase, Sample
from gradbench.statistics.steps import estimate_steps


def sample(
    cell: str,
    pass_: int,
    step: int,
    seconds: float,
    phase: Phase = "step",
    switched: bool = False,
) -> Sample:
    return Sample(cell, "training", pass_, step, phase, 1, seconds, seconds, None, switched)


def steps(cell: str, factor: float, drift: np.ndarray, switched: int = 0) -> list[Sample]:
    """Return the steps of a cell: of the first ``switched`` ones the process was switched out."""
    return [
        sample(cell, p, s, factor * drift[p, s], switched=p * drift.shape[1] + s < switched)
        for p in range(drift.shape[0])
        for s in range(drift.shape[1])
    ]


def test_a_step_is_paired_with_the_baselines_of_the_same_pass_and_step() -> None:
    drift = np.exp(np.random.default_rng(0).normal(size=(6, 2)))
    found = estimate_steps(
        [*steps("base", 2.0, drift), *steps("fast", 1.0, drift), *steps("twin", 2.0, drift)],
        baseline="base",
        twin="twin",
    )
    fast = found.speedups["fast"]
    assert (fast.estimate, fast.low, fast.high) == pytest.approx((2.0, 2.0, 2.0))
    assert found.times["fast"].high > 1.5 * found.times["fast"].low
    assert found.speedups["base"].estimate == 1.0
    assert found.noise_floor == pytest.approx(0.0)


@pytest.mark.parametrize(("switched", "known"), [(6, True), (7, False)])
def test_fewer_than_six_clean_steps_are_no_figure(switched: int, known: bool) -> None:
    drift = np.ones((6, 2))
    found = estimate_steps(
        [*steps("base", 2.0, drift), *steps("fast", 1.0, drift, switched)],
        baseline="base",
        twin="twin",
    )
    assert found.samples == {"base": 12, "fast": 12 - switched}
    assert ("fast" in found.times) is known
    assert ("fast" in found.speedups) is known
    assert found.noise_floor is None


def test_six_clean_steps_that_no_baseline_goes_with_are_no_speedup() -> None:
    drift = np.ones((6, 2))
    base = steps("base", 2.0, drift, switched=6)
    fast = [s for s in steps("fast", 1.0, drift) if s.replicate < 3]
    found = estimate_steps([*base, *fast], baseline="base", twin="twin")
    assert set(found.times) == {"base", "fast"}
    assert set(found.speedups) == {"base"}


def test_disturbed_samples_alone_are_no_figure() -> None:
    found = estimate_steps(
        [
            sample("a", 0, 1, 9.0, "forward", switched=True),
            sample("a", 0, 2, 1.0, "forward"),
            sample("b", 0, 1, 3.0, "forward", switched=True),
            *steps("b", 1.0, np.ones((6, 1)), switched=6),
        ],
        baseline="a",
        twin="twin",
    )
    assert found.phases == {("a", "forward"): 1.0}
    assert found.times == {}
    assert found.samples == {"b": 0}


@pytest.mark.parametrize(
    ("passes", "each", "correlation", "busy"),
    [(3, 4, 0.0, False), (6, 1, 0.0, False), (8, 3, 0.0, False), (14, 2, 0.3, True)],
)
def test_intervals_hold(passes: int, each: int, correlation: float, busy: bool) -> None:
    """What a pass shares is as large as what its steps do not; some steps are far too long."""
    generator = np.random.default_rng(7)
    truth, trials, held = 1.1, 400, 0
    for _ in range(trials):
        shared = generator.normal(0.0, 0.05, (2, passes))
        for number in range(1, passes):
            before = shared[:, number - 1]
            shared[:, number] *= math.sqrt(1 - correlation**2)
            shared[:, number] += correlation * before
        apart = generator.normal(0.0, 0.05, (2, passes, each))
        apart += 0.3 * (generator.random(apart.shape) < 0.05)
        base, fast = np.exp(shared[:, :, None] + apart)
        samples = [*steps("base", truth, base), *steps("fast", 1.0, fast)]
        found = estimate_steps(samples, baseline="base", twin="", busy=busy).speedups.get("fast")
        assert found is not None
        held += found.low <= truth <= found.high
    assert held / trials >= 0.93
