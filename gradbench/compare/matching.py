"""Which measurements of two sides are of the same cell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from gradbench.compare.side import Side, records
from gradbench.errors import BadRequest
from gradbench.results.question import WHAT, WHERE
from gradbench.results.selection import plain
from gradbench.results.status import TIMED

Several = Literal["refuse", "latest", "pool"]
Row = dict[str, Any]
Key = tuple[Any, ...]

ALIKE = (*WHAT, "strategy", "zeroing")
"""Columns in which two measurements must be equal to be of one cell."""

PLACES = (*WHERE, "seed")
"""Columns in which the sides may differ; equal as well where a side holds several values."""

_ALWAYS_KNOWN = (
    *("model", "rule", "dtype", "cache", "strategy", "zeroing"),
    *("device", "host", "seed", "name"),
)

_PLACE_WORDS = {
    **{"torch_version": "torch ", "gradbench_version": "gradbench ", "seed": "seed "},
    **{"driver": "driver ", "clock_hz": "clock "},
}


@dataclass(frozen=True)
class Match:
    """A cell and its measurements on both sides.

    Args:
        base: Rows of BASE, one unless several runs are pooled; empty where it has none.
        other: Rows of OTHER.
        places: Columns of ``PLACES`` that tell cells apart in this comparison.
        reason: Why the cell cannot be compared; None where it can.
    """

    base: list[Row]
    other: list[Row]
    places: tuple[str, ...] = ()
    reason: str | None = None


def match_cells(
    base: Side, other: Side, *, across: Sequence[str] = (), several: Several = "refuse"
) -> list[Match]:
    """Match the measurements of two sides cell by cell.

    Args:
        base: One side.
        other: The other.
        across: Columns among ``ALIKE`` in which the two may differ after all.
        several: What to do where a side has several measurements of one cell.

    Returns:
        The cells that either side has measured, those of BASE in its order first.

    Raises:
        BadRequest: The sides hold nothing alike, or several measurements of one cell that are
            neither pooled nor chosen from.
    """
    for side in (base, other):
        if not _measured(side.cells).any():
            raise BadRequest(f"{side.label} has no cell that was measured")
    columns = _columns(base.cells, other.cells, across)
    chosen = []
    for side, name in ((base, "BASE"), (other, "OTHER")):
        found = _group(_rows(side.cells, timed=True), columns)
        chosen.append({k: _choose(r, side, name, across, several) for k, r in found.items()})
    if not chosen[0].keys() & chosen[1].keys():
        raise BadRequest(_nothing_alike(base, other, columns))
    known = [column for column in columns if column in _ALWAYS_KNOWN]
    untimed = [_group(_rows(side.cells, timed=False), known) for side in (base, other)]
    places = tuple(column for column in columns if column in PLACES)
    matches = []
    for key in dict.fromkeys([*chosen[0], *chosen[1]]):
        rows = [found.get(key, []) for found in chosen]
        short = _key(next(iter(rows[0] + rows[1])), known)
        reason = _why_not(rows, [found.get(short, []) for found in untimed], across)
        matches.append(Match(rows[0], rows[1], places, reason))
    return matches


def _columns(base: pd.DataFrame, other: pd.DataFrame, across: Sequence[str]) -> list[str]:
    """Choose the columns to match on: those that tell measurements apart and are known to both."""
    if base["name"].notna().all() and other["name"].notna().all():
        return ["name"]
    frames = [frame[_measured(frame)] for frame in (base, other)]
    known = [c for c in (*ALIKE, *PLACES) if all(frame[c].notna().any() for frame in frames)]
    return [
        column
        for column in known
        if column not in across
        and (column in ALIKE or any(frame[column].nunique() > 1 for frame in frames))
    ]


def _measured(cells: pd.DataFrame) -> pd.Series[bool]:
    roles = cells["role"].isin(["baseline", "candidate"])
    return roles & cells["status"].isin(TIMED) & (cells["update_s"] > 0)


def _rows(cells: pd.DataFrame, *, timed: bool) -> list[Row]:
    """List the cells asked for that have an update time, or those that have none."""
    asked = cells[cells["role"].isin(["baseline", "candidate"])]
    return records(asked[_measured(asked) == timed])


def _group(rows: list[Row], columns: list[str]) -> dict[Key, list[Row]]:
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        groups[_key(row, columns)].append(row)
    return groups


def _key(row: Row, columns: list[str]) -> Key:
    """Name a cell; a benchmark that is no cell goes by its name."""
    if row["model"] is None and row["name"] is not None:
        return ("name", row["name"])
    return tuple(row[column] for column in columns)


def _choose(
    rows: list[Row], side: Side, name: str, across: Sequence[str], several: Several
) -> list[Row]:
    """Choose from several measurements of one cell; only runs may be pooled, not unlike things."""
    if len(rows) == 1:
        return rows
    differing = {
        column: values
        for column in ("run", *ALIKE, *PLACES)
        if len(values := sorted({said(column, row[column]) for row in rows})) > 1
    }
    repeated = all(c == "run" or (c in PLACES and c in across) for c in differing)
    if repeated and several == "pool":
        return rows
    if repeated and several == "latest":
        return [max(rows, key=lambda row: str(row["recorded_at"]))]
    which = "; ".join(f"{column} {', '.join(values)}" for column, values in differing.items())
    hint = ", or say --several latest or --several pool" if repeated else ""
    raise BadRequest(
        f"{name} ({side.label}) holds {len(rows)} measurements of {cell_title(rows[0])}"
        + (f", which differ in {which}" if which else "")
        + f": narrow it, {name}@KEY=VALUE{hint}"
    )


def _why_not(
    chosen: list[list[Row]], untimed: list[list[Row]], across: Sequence[str]
) -> str | None:
    """Say why a cell is not compared, None where it is."""
    sides = (("BASE", chosen[0], untimed[0]), ("OTHER", chosen[1], untimed[1]))
    for (name, rows, without), (only, _, _) in zip(sides, reversed(sides), strict=True):
        if not rows:
            states = [f" ({row['status']} in {name}: {_reason(row)})" for row in without]
            return f"only in {only}{next(iter(states), '')}"
    statuses = [sorted({str(row["status"]) for row in rows}) for rows in chosen]
    if statuses[0] != statuses[1]:  # an approximation is another thing than the rule
        names = [name for name, _, _ in sides]
        return ", ".join(f"{' or '.join(s)} in {n}" for s, n in zip(statuses, names, strict=True))
    sizes = [{row["parameters"] for row in rows} - {None} for rows in chosen]
    if not {"model", "options"} & set(across) and all(sizes) and sizes[0] != sizes[1]:
        counts = [" or ".join(f"{int(n)}" for n in sorted(size)) for size in sizes]
        return f"not the same model: {counts[0]} parameters against {counts[1]}"
    return None


def _reason(row: Row) -> str:
    return row["reason"] or "no update time of its own"


def cell_title(row: Row, places: Sequence[str] = ()) -> str:
    """Name a cell in full.

    Args:
        row: Its row.
        places: Further columns to name.

    Returns:
        Such as ``mlp_small · sgd · rule.lr=0.1 · float32 · 2 threads · foreach/set_to_none``; the
        name of a benchmark that is no cell.
    """
    if row["model"] is None:
        return str(row["name"])
    threads = threads_text(row["threads"])
    further = [f"{_PLACE_WORDS.get(column, '')}{plain(row[column])}" for column in places]
    cell = "/".join(part for part in (row["strategy"], row["zeroing"]) if part)
    cache = None if row["cache"] in (None, "hot") else f"{row['cache']} cache"
    asked = (row["model"], row["rule"], row["options"], row["dtype"], threads, cache)
    return " · ".join(part for part in (*asked, *further, cell) if part)


def said(column: str, value: object) -> str:
    """Write a value of a column in a sentence.

    Args:
        column: Its column.
        value: The value.

    Returns:
        As it is typed; where it is the options of no override, ``the defaults``.
    """
    return "the defaults" if column == "options" and value == "" else plain(value)


def threads_text(value: object) -> str | None:
    """Say a number of threads, or the two of sides that differ, such as ``1 → 4 threads``.

    Args:
        value: Of the column ``threads``.

    Returns:
        The words; None where it is null.
    """
    given = plain(value)
    return f"{given} thread{'' if given == '1' else 's'}" if given else None


def _nothing_alike(base: Side, other: Side, columns: list[str]) -> str:
    """Say in what two sides differ that have no cell in common."""
    frames = [side.cells[_measured(side.cells)] for side in (base, other)]
    for column in columns:
        values = [sorted({said(column, value) for value in frame[column]}) for frame in frames]
        if not set(values[0]) & set(values[1]):
            differ = f"BASE has {column} {', '.join(values[0])}, OTHER {', '.join(values[1])}"
            if column in ALIKE:
                return f"{differ}: unlike; compare them all the same with --across {column}"
            return f"{differ}: narrow the sides to one {column} each (BASE@{column}=VALUE)"
    examples = [cell_title(records(frame.head(1))[0]) for frame in frames]
    return f"no cell in common: BASE has {examples[0]}, …; OTHER has {examples[1]}, …"
