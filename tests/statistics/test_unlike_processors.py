"""Replicates that began on unlike processors: what those differ by is no noise."""

import math

import numpy as np
import pytest

from gradbench.statistics.effects import effects
from gradbench.statistics.intervals import Times
from tests.statistics.test_effects import block


def two_processors(
    rng: np.random.Generator, cells: int, replicates: int, *, apart: float
) -> tuple[dict[str, Times], list[int | None]]:
    """Cells of 1, 2, … that processors slow down differently, and "twin", which is the first."""
    slowed = rng.normal(0, apart, cells)
    on = np.arange(replicates) % 2
    sign = np.where(on == 1, 1.0, -1.0)[:, None]

    def times(n: int) -> Times:
        noise = rng.normal(0, 0.02, (replicates, 4))
        return np.exp(math.log(n) + sign * slowed[n - 1] + noise)

    return {str(n): times(n) for n in range(1, cells + 1)} | {"twin": times(1)}, on.tolist()


@pytest.mark.parametrize(("cells", "replicates"), [(2, 12), (3, 12), (14, 12), (14, 5), (3, 4)])
def test_that_processors_differ_is_no_noise(cells: int, replicates: int) -> None:
    rng = np.random.default_rng(9)
    held = asked = 0
    widths = []
    for _ in range(120):
        times, on = two_processors(rng, cells, replicates, apart=0.2)
        alike, _ = two_processors(rng, cells, replicates, apart=0.0)
        told, calm = effects(times, processors=on), effects(alike)
        for name in [*map(str, range(2, cells + 1)), "twin"]:
            interval = told.ratio(name, "1")
            assert interval is not None
            truth = 1.0 if name == "twin" else float(name)
            held += interval.low <= truth <= interval.high
            asked += 1
        found, usual = told.ratio("twin", "1"), calm.ratio("twin", "1")
        assert found is not None
        assert usual is not None
        widths.append(found.half_width / usual.half_width)
    assert 0.92 <= held / asked <= 0.985
    assert np.median(widths) < 1.6 if replicates < 12 else np.median(widths) < 1.25


def test_untold_it_is_noise() -> None:
    times, on = two_processors(np.random.default_rng(10), 3, 12, apart=0.2)
    told, untold = (effects(times, processors=each).ratio("twin", "1") for each in (on, []))
    assert told is not None
    assert untold is not None
    assert untold.half_width > 3 * told.half_width


def test_processors_count_alike_however_many_replicates_they_have() -> None:
    on = [0, 0, 0, 0, 1, 1]
    times = {"a": np.array([[2.0], [2.0], [2.0], [2.0], [8.0], [8.0]]), "b": np.ones((6, 1))}
    found = effects(times, processors=on)
    for interval in (found.ratio("a", "b"), found.time("a")):
        assert interval is not None
        assert interval.estimate == pytest.approx(4.0)
        assert interval.half_width < 1e-9


@pytest.mark.parametrize("on", [[0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 1], [None] * 6, [3] * 6])
def test_of_a_single_replicate_a_processor_is_not_known(on: list[int | None]) -> None:
    times = block(np.random.default_rng(11), 3, 6, spread=0.3)
    for busy in (False, True):
        told, untold = effects(times, busy=busy, processors=on), effects(times, busy=busy)
        assert told.ratio("2", "1") == untold.ratio("2", "1")
        assert told.time("2") == untold.time("2")


def test_turns_hide_no_correlation_of_neighbours() -> None:
    """On a busy machine: replicates that take turns seem to depart in turn."""
    rng = np.random.default_rng(12)
    drift = np.repeat(rng.normal(0, 0.05, (3, 6)), 4, axis=1)[..., None]
    cells = {str(n): np.exp(row + rng.normal(0, 0.005, (24, 4))) for n, row in enumerate(drift)}
    on: list[int | None] = [0, 1] * 12
    there = np.array(on, dtype=float)[:, None]
    slowed = {name: times * np.exp(0.3 * int(name) * there) for name, times in cells.items()}
    calm, found = effects(cells, busy=True), effects(slowed, busy=True, processors=on)
    assert calm.factor > 1.5
    assert found.factor == pytest.approx(calm.factor, rel=0.1)
    assert effects(slowed, busy=True).factor < 1.1
