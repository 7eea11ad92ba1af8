"""What the page shows of an experiment: counts, a truth table, an atlas, and every case."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from gradbench.report.matrices import matrices
from gradbench.report.observations import NOTABLE, STYLES, rows_of
from gradbench.report.tables.observations import draw
from gradbench.report.tables.table import ReportTable

if TYPE_CHECKING:
    from gradbench.report.content import Content

TITLES = {
    "article": "The article's claims",
    "placement": "Where an update may stand in a training step",
    "failure_modes": "Atlas of lost gradients",
    "parity": "Do the implementations of an optimizer agree?",
    "zeroing": "Zero is not None",
    "observer_cost": "What watching gradients costs",
}
"""Headings of the experiments known here; others go by their name."""

_PLACED = {"operation", "placement", "strategy", "mode", "input_requires_grad"}
_CLEARED = {"zeroing", "gradient_kind"}
"""Columns that an experiment on placement, or on zeroing, fills."""

MOST_NOTABLE = 60
LONG = 30
"""Cases above which only the notable ones are shown at once."""


@dataclass(frozen=True)
class Entry:
    """A piece of code in the atlas, with what it led to and what to write instead.

    Args:
        title: The mode in a few words.
        row: The observation of the code that fails.
        others: Observations of the fix and of code that looks alike and is fine.
    """

    title: str
    row: dict[str, Any]
    others: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Section:
    """What the page shows of one experiment.

    Args:
        name: Name of the experiment.
        title: Heading.
        counts: Number of cases by verdict, the most urgent first.
        table: Every case.
        notable: Rows to show at once.
        matrices: Truth tables, where the experiment has operations and placements.
        atlas: Entries by topic, where the experiment has code.
    """

    name: str
    title: str
    counts: dict[str, int]
    table: ReportTable
    notable: ReportTable | None
    matrices: tuple[ReportTable, ...]
    atlas: dict[str, tuple[Entry, ...]]


def sections(content: Content) -> list[Section]:
    """Lay out the experiments; those known by a heading come first.

    Args:
        content: What the report shows.

    Returns:
        A section for each.
    """
    found = {table.title: table for table in draw(content)}
    order = [name for name in TITLES if name in found]
    names = [*order, *(name for name in found if name not in TITLES)]
    rows = content.observations
    return [_section(name, found[name], rows[rows["experiment"] == name]) for name in names]


def _section(name: str, table: ReportTable, rows: pd.DataFrame) -> Section:
    counted = Counter(rows["verdict"])
    urgent = table.text["verdict"].isin(NOTABLE)
    notable = None
    if len(rows) > LONG and urgent.any():
        first = table.text[urgent][:MOST_NOTABLE]
        more = int(urgent.sum()) - len(first)
        caption = f"{more} more of these are among the cases below." if more else ""
        notable = ReportTable(f"{table.name}_notable", name, first, table.data, caption)
    filled = rows.dropna(axis="columns", how="all")
    return Section(
        name,
        TITLES.get(name, name),
        {verdict: counted[verdict] for verdict in [*STYLES, *counted] if counted[verdict]},
        table,
        notable,
        tuple(_matrices(filled)),
        _atlas(filled),
    )


def _matrices(rows: pd.DataFrame) -> list[ReportTable]:
    """Sum up each device's observations by operation, placement, zeroing, as far as there are."""
    if not (set(rows) >= _PLACED or set(rows) >= _CLEARED):
        return []
    drawn = []
    for number, (device, part) in enumerate(rows.groupby("device", sort=False)):
        for place, matrix in enumerate(matrices(rows_of(part))):
            text = pd.DataFrame(list(matrix.rows), columns=list(matrix.header))
            title = f"{matrix.title} · {device}" if rows["device"].nunique() > 1 else matrix.title
            name = f"matrix_{number}_{place}"
            drawn.append(ReportTable(name, title, text, text, matrix.note))
    return drawn


def _atlas(rows: pd.DataFrame) -> dict[str, tuple[Entry, ...]]:
    """Collect the entries with code by topic; fix and twin belong to the code that fails."""
    if "code" not in rows:
        return {}
    told = [
        {str(key): None if value != value else value for key, value in row.items()}
        for row in rows.dropna(subset=["code"]).to_dict("records")
    ]
    atlas: dict[str, list[Entry]] = {}
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in told:
        mode = str(row["case"]).removesuffix("/fix").removesuffix("/twin")
        groups.setdefault((str(row.get("device")), mode), []).append(row)
    for (_, mode), members in groups.items():
        first, *others = sorted(members, key=lambda row: row.get("kind") != "broken")
        entry = Entry(str(first.get("title") or mode), first, tuple(others))
        atlas.setdefault(str(first.get("topic") or "").replace("_", " "), []).append(entry)
    return {topic: tuple(entries) for topic, entries in atlas.items()}
