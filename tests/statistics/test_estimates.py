"""Which samples count: rounds whose bandwidth control was slow do not, if it says so of memory."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradbench.statistics.estimates import estimate, estimate_grids
from gradbench.statistics.sample import Sample
from gradbench.statistics.selection import Grid


def sample(cell: str, round_: int, seconds: float, **times: Any) -> Sample:
    given: dict[str, Any] = {"host_s": seconds, "device_s": None, **times}
    identity: dict[str, Any] = {"protocol": "isolated", "phase": "update"}
    place = {"replicate": 0, "round": round_, "calls": 1, "switched": False}
    return Sample(cell=cell, seconds=seconds, **identity, **place, **given)


def slow_share(**times: Any) -> float:
    """Of twenty rounds, in five of which the control takes twice as long."""
    control = [sample("bandwidth", n, 2e-5 if n % 4 == 0 else 1e-5, **times) for n in range(20)]
    updates = [sample(cell, n, 1e-4) for cell in ("a", "twin") for n in range(20)]
    found = estimate([*control, *updates], baseline="a", twin="twin", control="bandwidth")
    assert found.disturbed["a"] == found.selection.slow.sum()
    return float(found.selection.slow.mean())


def test_rounds_of_slow_memory_are_left_out() -> None:
    assert slow_share() == pytest.approx(0.25)
    assert slow_share(host_s=2e-6, device_s=9e-6) == pytest.approx(0.25)


@pytest.mark.parametrize(("told", "slow"), [(True, 0.0), (False, 0.5)])
def test_memory_is_not_slow_where_the_processor_is(told: bool, slow: float) -> None:
    samples = [
        replace(sample(cell, n, seconds), replicate=r, processor=r % 2 if told else None)
        for r in range(4)
        for cell, seconds in (("bandwidth", 1e-5 * (1 + r % 2)), ("a", 1e-4), ("twin", 1e-4))
        for n in range(10)
    ]
    found = estimate(samples, baseline="a", twin="twin", control="bandwidth")
    assert found.selection.slow_share == pytest.approx(slow)


def test_a_control_that_waits_for_the_host_says_nothing_of_memory() -> None:
    assert slow_share(host_s=9e-6, device_s=9e-6) == 0


@pytest.mark.parametrize(("waited", "slow_s"), [(False, 3e-4), (False, 1.2e-4), (True, 3e-4)])
def test_a_cell_left_alone_before_the_processors_moved_is_known_from_there(
    waited: bool, slow_s: float
) -> None:
    """Its two replicates are not the block's: the fastest and the baseline went on."""
    rng = np.random.default_rng(0)
    seconds = {"base": 4e-4, "twin": 4e-4, "fast": 1e-4, "slow": slow_s}
    grids = {}
    for cell, usual in seconds.items():
        taken = usual * np.exp(rng.normal(0, 0.01, (12, 5)))
        # Moved, all are faster, and the baseline by more.
        taken[2:] *= 0.1 if cell in ("base", "twin") else 0.5
        if cell == "slow":
            taken[2:] = np.nan
        switched = np.full(taken.shape, waited and cell == "slow")
        grids[cell, "update"] = Grid(taken, switched, 1e-4)
    exchange = np.full((12, 5), 16e-6)
    exchange[:2] = 8e-6
    grids["exchange", "update"] = Grid(exchange, np.zeros(exchange.shape, dtype=bool), 1e-4)
    found = estimate_grids(
        grids,  # type: ignore[arg-type]
        baseline="base",
        twin="twin",
        control="bandwidth",
        ranked=["fast", "slow"],
    )
    assert found.fastest == "fast"  # though the other's ratio was larger, before
    fast = found.speedups["fast"]
    assert fast.replicates == 10
    assert fast.estimate == pytest.approx(0.8, rel=0.02)
    if waited:  # nothing is known of samples in which a thread waited
        assert "slow" not in found.speedups
        return
    slow = found.speedups["slow"]
    assert slow.replicates == 2
    assert slow.low < 4e-4 / slow_s < slow.high < 1.2 * slow.estimate
    assert found.over_fastest["slow"].estimate == pytest.approx(slow_s / 1e-4, rel=0.02)


def test_of_identical_cells_hardly_one_is_certainly_slower_after_any_replicate() -> None:
    order = np.random.default_rng(0)
    cells = [f"cell {index}" for index in range(12)]
    blocks, replicates = 60, 6
    rejected = 0
    for _ in range(blocks):
        times = {cell: np.exp(order.normal(0, 0.5, (replicates, 1))) for cell in cells}
        slower: set[str] = set()
        for taken in range(2, replicates + 1):
            grids: dict[Any, Grid] = {
                (cell, "update"): Grid(seconds[:taken], np.zeros((taken, 1), bool), 0.01)
                for cell, seconds in times.items()
            }
            found = estimate_grids(
                grids,
                baseline=cells[0],
                twin=cells[1],
                control="bandwidth",
                ranked=[cells[0], *cells[2:]],
                process=0.0,
            )
            slower |= found.certainly_slower(0.05)
        rejected += len(slower.difference(cells[:2]))
    assert rejected <= 0.02 * blocks * len(cells[2:])  # 7 % at a confidence of 99 %
