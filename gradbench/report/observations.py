"""What experiments saw, on a terminal: one table per experiment and device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gradbench.report.matrices import matrices

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
"""A row of ``observations``."""

LONG = 60
"""Cases above which an experiment's are summed up instead of listed."""

STYLES = {
    "failed": "bold red",
    "defect": "bold red",
    "refuted": "bold yellow",
    "confirmed": "green",
    "as_documented": "green",
    "skipped": "dim",
}
"""Verdicts, the most urgent first, and how they look."""

NOTABLE = ("failed", "defect", "refuted")
"""Verdicts that a summary shows row by row."""


def rows_of(observations: pd.DataFrame) -> list[Row]:
    """Turn a frame into rows, what is missing into None.

    Args:
        observations: Rows of ``observations``.

    Returns:
        The same rows as dictionaries.
    """
    return [
        {str(key): None if value != value else value for key, value in row.items()}
        for row in observations.to_dict("records")
    ]


def by_trial(rows: Iterable[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Group rows by experiment, then device, machine, PyTorch, run and gradbench.

    Args:
        rows: Rows of ``observations``.

    Returns:
        Rows by these six names, in order of first appearance; unknown names are empty.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    names = ("experiment", "device", "host", "torch_version", "run", "gradbench_version")
    for row in rows:
        groups.setdefault(tuple(row.get(name) or "" for name in names), []).append(row)
    return groups


def by_urgency(rows: Iterable[Row]) -> list[Row]:
    """Sort rows by verdict, the most urgent first, otherwise as they are.

    Args:
        rows: Rows of ``observations``.

    Returns:
        The rows.
    """
    order = list(STYLES)
    return sorted(rows, key=lambda row: order.index(row["verdict"]))


def counts(rows: Iterable[Row]) -> str:
    """Count rows by verdict.

    Args:
        rows: Rows of ``observations``.

    Returns:
        Such as ``2 defect, 9 as_documented``, the most urgent first.
    """
    found = Counter(row["verdict"] for row in rows)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in STYLES if found[verdict])


def observation_table(title: str, rows: Sequence[Row]) -> Table:
    """Draw rows with their verdicts; a narrow screen folds the long columns.

    Args:
        title: Heading.
        rows: Rows of ``observations``.

    Returns:
        The table.
    """
    table = Table(title=title, title_justify="left", pad_edge=False, show_lines=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("case", ratio=3, overflow="fold")
    table.add_column("expected", ratio=3, overflow="fold")
    table.add_column("seen", ratio=5, overflow="fold")
    for row in rows:
        seen = Text(str(row["outcome"] or ""))
        if row.get("message"):
            seen.append(f"\n{row['message']}", style="dim")
        verdict = Text(row["verdict"], style=STYLES[row["verdict"]])
        table.add_row(verdict, Text(row["case"]), Text(str(row["expected"] or "")), seen)
    return table


def observation_summaries(rows: Iterable[Row], most: int = 12) -> list[RenderableType]:
    """Sum up each experiment: counts by verdict, then what is notable, a line each.

    Args:
        rows: Rows of ``observations``.
        most: Most rows to show of an experiment.

    Returns:
        What to print for each experiment and device.
    """
    return [
        observation_summary(f"{experiment} · {device}", trial, most)
        for (experiment, device, *_), trial in by_trial(rows).items()
    ]


def observation_summary(name: str, rows: Sequence[Row], most: int = 12) -> RenderableType:
    """Sum up one experiment: its matrices, counts by verdict, then what is notable.

    Args:
        name: Heading.
        rows: Rows of ``observations``, of one experiment on one device.
        most: Most rows to show.

    Returns:
        What to print.
    """
    head = Text(f"{name}: ", style="bold").append(counts(rows), style="not bold")
    notable = by_urgency(row for row in rows if row["verdict"] in NOTABLE)
    shown = _different(notable)[:most]
    parts: list[RenderableType] = [*(matrix.drawn() for matrix in matrices(rows)), head]
    if shown:
        parts.append(_lines(shown))
    if len(notable) > len(shown):
        parts.append(Text(f"  and {len(notable) - len(shown)} more of these", style="dim"))
    reasons = Counter(_line(row["message"]) for row in rows if row["verdict"] == "skipped")
    parts += [
        Text(f"  skipped {count} × {reason}", style="dim", no_wrap=True, overflow="ellipsis")
        for reason, count in reasons.most_common(3)
    ]
    if len(reasons) > 3:
        parts.append(Text(f"  and {len(reasons) - 3} more reasons", style="dim"))
    return Group(*parts)


def _different(rows: Iterable[Row]) -> list[Row]:
    """Keep one row of those that a strategy repeats in many cases."""
    kinds: dict[tuple[str, ...], Row] = {}
    for row in rows:
        who = row.get("strategy") or row["case"]
        kinds.setdefault((row["verdict"], row["outcome"], who), row)
    return list(kinds.values())


def _lines(rows: Sequence[Row]) -> Table:
    """Draw rows with a line each, cut off where the screen ends."""
    table = Table(box=None, pad_edge=False, show_header=False, expand=True)
    table.add_column(no_wrap=True)
    for ratio in (5, 2, 5):
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
    for row in rows:
        verdict = Text(f"  {row['verdict']}", style=STYLES[row["verdict"]])
        outcome, message = _line(row["outcome"]), _line(row["message"])
        table.add_row(verdict, Text(row["case"]), Text(outcome), Text(message, style="dim"))
    return table


def _line(text: object) -> str:
    return " ".join(str(text or "").split())
