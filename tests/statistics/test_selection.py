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


def test_rounds_with_the_processors_apart_are_left_out() -> None:
    """A virtual machine's processors move: from then on each hand-over takes several times."""
    exchange = np.full((4, 40), 10e-6)
    exchange[3] = 27e-6
    waited = np.zeros(exchange.shape, dtype=bool)
    exchange[0, :5], waited[0, :5] = 4e-3, True  # says nothing of caches
    grids = {
        ("a", "update"): grid(np.ones((4, 40))),
        ("bandwidth", "update"): grid(np.full((4, 40), 5e-6)),
        ("exchange", "update"): Grid(exchange, waited, 1e-4),
    }
    found = select(grids, baseline="a", control="bandwidth")  # type: ignore[arg-type]
    assert found.apart_share == pytest.approx(40 / 155)
    assert found.slow_share == 0
    assert found.slow[3].all()
    assert found.slow.sum() == 40


def test_where_the_processors_were_apart_most_of_the_time_all_rounds_count() -> None:
    exchange = np.full((4, 40), 27e-6)
    exchange[3] = 10e-6
    grids = {("a", "update"): grid(np.ones((4, 40))), ("exchange", "update"): grid(exchange)}
    found = select(grids, baseline="a", control="bandwidth")  # type: ignore[arg-type]
    assert found.apart_share == 0.75
    assert not found.slow.any()
