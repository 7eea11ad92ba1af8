"""What compiling means for a block's cells: which have figures, and which strategies compile."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradbench.block.measured import Outcome
from gradbench.request.block import Cell
from gradbench.timing.compilation import Compilation, Compiled


def fail_uncompiled(outcomes: dict[str, Outcome], compilation: Compilation) -> None:
    """Fail the cells whose times are not those of a compiled step.

    A limit holds for the code, so that every cell of a strategy runs it as it is written; and the
    baseline and its twin are the same cell twice.

    Args:
        outcomes: By cell; changed.
        compilation: What was compiled in which cell.
    """
    by_cell = {
        name: compilation.by_cell[name].reason for name in compilation.failed if name in outcomes
    }
    by_strategy = {
        outcomes[name].cell.strategy: by_cell[name]
        for name in compilation.gave_up
        if name in by_cell
    }
    pair = {name for name, outcome in outcomes.items() if outcome.cell.role in ("baseline", "twin")}
    paired = next((by_cell[name] for name in sorted(pair) if name in by_cell), None)
    for name, outcome in outcomes.items():
        reason = by_cell.get(name) or by_strategy.get(outcome.cell.strategy)
        if name in pair:
            reason = reason or paired
        if reason is not None and outcome.timed:
            outcomes[name] = replace(outcome, status="failed", reason=reason)


def strategies_that_compiled(cells: Iterable[Cell], compiled: Mapping[str, Compiled]) -> set[str]:
    """Name the strategies of which a cell was compiled.

    Args:
        cells: Those of the block.
        compiled: What was compiled, by cell.

    Returns:
        Their names.
    """
    return {cell.strategy for cell in cells if cell.name in compiled}


class VerificationTime:
    """What verification takes, less the compiling that timing would do without it; begins now.

    Args:
        cells: Those of the block.
        compilation: What was compiled in which cell.
    """

    def __init__(self, cells: Sequence[Cell], compilation: Compilation) -> None:
        self._cells, self._compilation = cells, compilation
        self._start, self._s, self._whole = time.perf_counter(), 0.0, False
        self._verified_s: Mapping[str, float] = {}
        self._compiled_s = self._by_strategy()

    def end(self, verified_s: Mapping[str, float], *, whole: bool) -> None:
        """Verification ends.

        Args:
            verified_s: Seconds in which verified updates compiled, by strategy.
            whole: Whether they had the shapes of those that are timed, and so the same graphs.
        """
        self._s = time.perf_counter() - self._start
        self._verified_s, self._whole = verified_s, whole
        self._compiled_s = self._by_strategy()

    @property
    def seconds(self) -> float:
        """The seconds, once everything is timed: what was not compiled again was shared."""
        if self._whole:
            return self._s - sum(self._verified_s.values())
        now_s = self._by_strategy()
        shared_s = 0.0
        for strategy, verified_s in self._verified_s.items():
            again_s = now_s[strategy] - self._compiled_s[strategy]
            shared_s += max(0.0, verified_s - again_s)
        return self._s - shared_s

    def _by_strategy(self) -> Mapping[str, float]:
        seconds: dict[str, float] = defaultdict(float)
        for cell in self._cells:
            compiled = self._compilation.by_cell.get(cell.name)
            seconds[cell.strategy] += compiled.seconds if compiled is not None else 0.0
        return seconds


def compile_columns(
    cell: Cell, cells: Iterable[Cell], compiled: Mapping[str, Compiled]
) -> dict[str, Any]:
    """Write what compiling a cell took, and the graph breaks of its strategy.

    Cells of a strategy share their graphs: the first one pays for them.

    Args:
        cell: Which cell.
        cells: Those of the block.
        compiled: What was compiled, by cell.

    Returns:
        Columns of ``cells``; none where nothing of the strategy was compiled.
    """
    alike = [compiled[c.name] for c in cells if c.strategy == cell.strategy and c.name in compiled]
    if not alike:
        return {}
    own = compiled.get(cell.name)
    return {
        "compile_s": own.seconds if own is not None else 0.0,
        "graph_breaks": max(each.breaks for each in alike),
    }
