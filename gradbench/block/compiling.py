"""What compiling means for a block's cells: which have figures, and which strategies compile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
