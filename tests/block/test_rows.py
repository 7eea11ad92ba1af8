"""What the rows say of a block in which replicates were lost."""

from collections.abc import Callable

import pytest

from gradbench.block.measured import Measured, Outcome
from gradbench.block.rows import cell_rows
from gradbench.request.block import Block
from gradbench.statistics.estimates import estimate
from gradbench.statistics.sample import Sample
from gradbench.timing.isolation import IsolatedResult
from tests.conftest import make

REPLICATES = 4


def taken(cell: str, lost: set[int]) -> list[Sample]:
    """Three rounds of each replicate; the process was switched out in all of those lost."""
    return [
        Sample(cell, "isolated", r, k, "update", 1, 1e-5, 1e-5, None, switched=r in lost)
        for r in range(REPLICATES)
        for k in range(3)
    ]


def test_each_interval_says_how_many_replicates_are_in_it(plan: Callable[..., Block]) -> None:
    block = plan("strategy=[foreach]", "zeroing=[set_to_none]")
    baseline, candidate, twin, control = (cell.name for cell in block.cells)
    lost = {baseline: {0}, candidate: {1}, twin: set[int](), control: {3}}
    samples = [sample for cell, gone in lost.items() for sample in taken(cell, gone)]
    estimates = estimate(samples, baseline=baseline, twin=twin, control=control)
    assert not estimates.contended
    isolated = IsolatedResult(samples, estimates, rounds=3, replicates=REPLICATES)
    measured = Measured([Outcome(cell, "ok") for cell in block.cells], isolated=isolated)
    rows = {row["cell"]: row for row in cell_rows(block, make("rule", "sgd"), measured)}
    assert {row["replicates"] for row in rows.values()} == {4}
    assert {name: row["update_replicates"] for name, row in rows.items()} == {
        **{baseline: 3, candidate: 3, twin: 4, control: 3}
    }
    # A pair needs both: what the baseline lost, and what the cell itself has lost.
    assert rows[candidate]["speedup_replicates"] == 2
    assert rows[twin]["speedup_replicates"] == 3
    assert rows[baseline]["speedup_replicates"] is None
    assert rows[candidate]["update_s"] == pytest.approx(1e-5)
