"""A comparison on the screen."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradbench.compare.result import FIGURES
from gradbench.compare.sections import (
    block_of,
    cell_of,
    changed_counts,
    compared,
    format_interval,
    format_ratio,
    format_time,
    headings,
    not_compared,
    shared_traits,
    verdict_lines,
)
from gradbench.compare.side import records

_STYLES = {"slower": "bold red", "faster": "bold green", "same": "", "unclear": "dim"}
_WIDE = 110
"""Columns of a screen that has room for the two further ratios."""


def render(comparison: pd.DataFrame, *, by: str, width: int) -> RenderableType:
    """Draw a comparison for a terminal.

    Args:
        comparison: What :func:`gradbench.compare` has returned.
        by: The figure that decides, a key of ``FIGURES``.
        width: Columns of the screen.

    Returns:
        What rich prints.
    """
    parts: list[RenderableType] = [Text(line) for line in headings(comparison, by)]
    parts += [Text(), _ratios(comparison, by, width), Text()]
    parts += [Text(line, style="" if at else "bold") for at, line in _numbered(comparison, by)]
    counts = changed_counts(comparison)
    if counts:
        table = _table("cell", "count")
        for heading in ("BASE", "OTHER"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in counts:
            table.add_row(Text(row["cell"]), row["count"], f"{row['base']}", f"{row['other']}")
        parts += [Text("\ncounts that differ:"), table]
    for reason, lines in not_compared(comparison):
        parts.append(Text(f"\nnot compared, {reason}:"))
        parts += [Padding(Text(line), (0, 0, 0, 2)) for line in lines]
    parts += [Text(f"\n{remark}", style="dim") for remark in comparison.attrs["remarks"]]
    return Group(*parts)


def _numbered(comparison: pd.DataFrame, by: str) -> list[tuple[int, str]]:
    return list(enumerate(verdict_lines(comparison, by)))


def _table(*headings: str) -> Table:
    table = Table(pad_edge=False, box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _ratios(comparison: pd.DataFrame, by: str, width: int) -> Table:
    """Lay the compared cells out by block, the slowest first."""
    figure = FIGURES[by]
    further = [name for name in FIGURES if name != by] if width >= _WIDE else []
    table = _table("cell")
    for heading in ("BASE", "OTHER", "ratio", "interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in further:
        table.add_column("time" if name == "time" else f"per {name}", justify="right", no_wrap=True)
    rows = compared(comparison).sort_values(figure.column, ascending=False, kind="stable")
    blocks: dict[str, list[dict[str, Any]]] = {}
    for row in records(compared(comparison)):
        blocks.setdefault(block_of(row), [])
    for row in records(rows):
        blocks[block_of(row)].append(row)
    shared = shared_traits(comparison)
    for block, cells in blocks.items():
        if block:
            traits = [trait for trait in block.split(" · ") if trait not in shared]
            table.add_row(Text(" · ".join(traits), style="bold"))
        for row in cells:
            _add(table, row, by, further, indent="  " if block else "")
    return table


def _add(table: Table, row: dict[str, Any], by: str, further: list[str], indent: str) -> None:
    figure = FIGURES[by]
    baseline = " (baseline)" if further and row["role"] == "baseline" else ""
    word = str(row[figure.verdict] or "")
    others = [FIGURES[name] for name in further]
    table.add_row(
        Text(f"{indent}{cell_of(row)}{baseline}"),
        format_time(row, "base"),
        format_time(row, "other"),
        format_ratio(row, figure),
        format_interval(row, figure),
        Text(word, style=_STYLES.get(word, "")),
        *(
            Text(format_ratio(row, other), style=_STYLES.get(str(row[other.verdict]), ""))
            for other in others
        ),
    )
