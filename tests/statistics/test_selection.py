"""Which samples count, though cells leave and the machine has neighbours."""

import numpy as np
import pytest

from gradbench.statistics.selection import Grid, select


def grid(seconds: np.ndarray) -> Grid:
    return Grid(seconds, np.zeros(seconds.shape, dtype=bool), 1e-4)


@pytest.mark.parametrize("rounds", [40, 4])
def test_memory_is_not_slow_because_cells_left_the_rounds(rounds: int) -> None:
    """The control finds other things in the caches where others go before it."""
    control = np.full((6, rounds), 5.4e-6)
    control[2:] = 7.5e-6
    left = np.ones((6, rounds))
    left[2:] = np.nan
    updates = {"a": np.ones((6, rounds)), "left": left, "bandwidth": control}
    grids = {(cell, "update"): grid(seconds) for cell, seconds in updates.items()}
    found = select(grids, baseline="a", control="bandwidth")  # type: ignore[arg-type]
    # Of few rounds it cannot be told whether they are slow.
    assert found.slow_share == (0.0 if rounds == 40 else pytest.approx(4 / 6))


def test_memory_that_was_slow_in_some_of_the_rounds_of_the_same_cells_is_seen() -> None:
    control = np.full((4, 40), 5.4e-6)
    control[1, :20] = 9e-6
    grids = {("a", "update"): grid(np.ones((4, 40))), ("bandwidth", "update"): grid(control)}
    found = select(grids, baseline="a", control="bandwidth")  # type: ignore[arg-type]
    assert found.slow[1, :20].all()
    assert found.slow.sum() == 20
    assert np.isnan(found.kept["a", "update"]).sum() == 20


@pytest.mark.parametrize("slower", [1.1, 1.7])
def test_memory_is_not_slow_where_the_other_processor_is_faster(slower: float) -> None:
    control = np.full((6, 10), 1.5e-6)
    control[1::2] *= slower
    control[2, :4] *= 2
    control[3, :4] *= 2
    grids = {("a", "update"): grid(np.ones((6, 10))), ("bandwidth", "update"): grid(control)}
    on = [0, 1] * 3
    found = select(grids, baseline="a", control="bandwidth", processors=on)  # type: ignore[arg-type]
    assert found.slow[2:4, :4].all()
    assert found.slow.sum() == 8


@pytest.mark.parametrize("on", [[], [0, 1, 2, 3], [0, 0, 0, 1], [None] * 4])
def test_of_a_single_replicate_a_processor_says_nothing_of_memory(on: list[int | None]) -> None:
    control = np.full((4, 10), 1.5e-6)
    control[3] *= 2
    grids = {("a", "update"): grid(np.ones((4, 10))), ("bandwidth", "update"): grid(control)}
    found = select(grids, baseline="a", control="bandwidth", processors=on)  # type: ignore[arg-type]
    assert found.slow[3].all()
    assert found.slow_share == pytest.approx(0.25)


TOGETHER, APART = 8e-6, 15.5e-6


@pytest.mark.parametrize(("usual", "other"), [(TOGETHER, APART), (APART, TOGETHER)])
def test_rounds_in_which_the_processors_lay_otherwise_are_left_out(
    usual: float, other: float
) -> None:
    """Together they hand over faster, apart they have more bandwidth: those are two machines."""
    rng = np.random.default_rng(0)
    exchange = usual * np.exp(rng.normal(0, 0.05, (4, 40)))
    exchange[3] *= other / usual
    waited = np.zeros(exchange.shape, dtype=bool)
    exchange[0, :5], waited[0, :5] = 4e-3, True  # says nothing of caches
    memory = np.where(exchange > 11e-6, 3.5e-3, 6e-3)
    memory[1, :10] *= 1.5
    grids = {
        ("a", "update"): grid(np.ones((4, 40))),
        ("bandwidth", "update"): grid(memory),
        ("exchange", "update"): Grid(exchange, waited, 1e-4),
    }
    found = select(grids, baseline="a", control="bandwidth")  # type: ignore[arg-type]
    assert found.moved_share == pytest.approx(40 / 155)
    assert found.slow[3].all()
    # Memory is held against what it was in the same place.
    assert found.slow[1, :10].all()
    assert found.slow_share == pytest.approx(10 / 120, abs=0.05)


def test_half_together_and_half_apart_one_of_them_counts() -> None:
    exchange = np.full((4, 40), TOGETHER)
    exchange[2:] = APART
    grids = {("a", "update"): grid(np.ones((4, 40))), ("exchange", "update"): grid(exchange)}
    found = select(grids, baseline="a", control="bandwidth")  # type: ignore[arg-type]
    assert found.moved_share == 0.5
    assert not found.slow[:2].any()
    assert found.slow[2:].all()


def test_an_exchange_that_varies_anyway_says_nothing() -> None:
    rng = np.random.default_rng(0)
    exchange = TOGETHER * np.exp(rng.normal(0, 1.0, (4, 40)))
    grids = {("a", "update"): grid(np.ones((4, 40))), ("exchange", "update"): grid(exchange)}
    found = select(grids, baseline="a", control="bandwidth")  # type: ignore[arg-type]
    assert found.moved_share > 0.5
    assert not found.slow.any()


def test_of_two_replicates_none_is_left_out() -> None:
    exchange = np.array([[TOGETHER, TOGETHER], [APART, APART]])
    grids = {("a", "update"): grid(np.ones((2, 2))), ("exchange", "update"): grid(exchange)}
    found = select(grids, baseline="a", control="bandwidth")  # type: ignore[arg-type]
    assert found.moved_share == 0.5
    assert not found.slow.any()
