"""gradbench itself as an instrument among others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradbench.block.axes import instantiate_axes
from gradbench.block.measured import Measured
from gradbench.block.rows import cell_rows
from gradbench.block.run import measure_block
from gradbench.observing.instruments import ARMS, Answer
from gradbench.observing.paired import Paired
from gradbench.observing.readings import Reading
from gradbench.request.block import Block
from gradbench.verify.examination import Examination


@dataclass
class Gradbench:
    """gradbench under one load: rounds, fresh allocations, zeroing and controls.

    It binds its own calls, so that building the model and verifying are part of its wall time, and
    its budget is so much less. What they take is known from its earlier repeats under this load,
    the first time from a rehearsal without a budget. Strategies are examined in the rehearsal only,
    as in a sweep they are once, and what updates do is not counted.

    Args:
        examined: Examinations that are known.
        besides_s: Seconds that repeats took besides their budget.
    """

    examined: dict[str, Examination] = field(default_factory=dict)
    besides_s: list[float] = field(default_factory=list)

    def __call__(self, block: Block, seconds: float) -> Answer:
        """Measure a block within the seconds, building and verifying included."""
        if not self.examined:
            self._measure(block, 0.0)
            self._measure(block, 0.0)  # without examining
            self.besides_s = self.besides_s[1:]
        budget_s = max(seconds - float(np.median(self.besides_s)), 0.0)
        measured, wall_s = self._measure(block, budget_s)
        rule = instantiate_axes(block).rule
        rows = {str(row["role"]): row for row in cell_rows(block, rule, measured)}
        return {arm: _own_reading(block, measured, arm, rows[arm], wall_s) for arm in ARMS[1:]}

    def _measure(self, block: Block, budget_s: float) -> tuple[Measured, float]:
        settings = {**block.options["measurement"], "budget_s": budget_s}
        block = replace(block, options={**block.options, "measurement": settings})
        start = time.perf_counter()
        measured = measure_block(block, lambda *_: None, self.examined, count=False)
        wall_s = time.perf_counter() - start
        for outcome in measured.outcomes:
            if outcome.status != "ok":
                raise RuntimeError(f"{outcome.cell.name} is {outcome.status}: {outcome.reason}")
        self.examined |= measured.examined
        self.besides_s.append(wall_s - budget_s)
        return measured, wall_s


def _own_reading(
    block: Block, measured: Measured, arm: str, row: Mapping[str, Any], wall_s: float
) -> Reading:
    """Read the speedup of an arm's row; where no pair of samples is clean, that of all samples."""
    if row.get("speedup") is not None:
        return Reading(row["speedup"], wall_s, row["speedup_low"], row["speedup_high"])
    assert measured.isolated is not None
    names = {str(cell.role): cell.name for cell in block.cells}
    paired = Paired(measured.isolated.samples, names[ARMS[0]])
    found = paired.ratio(names[ARMS[0]], names[arm])
    return Reading(found.estimate, wall_s, found.low, found.high)
