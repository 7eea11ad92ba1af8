"""Cells that a path names, narrowed to some values of their columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from gradbench.errors import BadRequest
from gradbench.results.files import LeftOut
from gradbench.results.incomplete import explain_nothing
from gradbench.results.load import load_readable
from gradbench.results.location import is_remote, locate
from gradbench.results.schema import arrow_schema

Read = Callable[[Path], tuple[pd.DataFrame, list[LeftOut]]]
"""Loads rows of ``cells`` below a path, and says which files could not be read."""

NARROWING = (
    *("run", "host", "device", "device_name", "driver", "clock_hz"),
    *("torch_version", "gradbench_version"),
    *("model", "rule", "options", "dtype", "threads", "cache", "seed"),
    *("strategy", "zeroing"),
)
"""Columns of ``cells`` that a side may be narrowed by."""


def read_cells(path: Path) -> tuple[pd.DataFrame, list[LeftOut]]:
    """Load the cells below a path.

    Args:
        path: A folder of results at any level, or a file of ``cells``.

    Returns:
        The rows with every column of the table, each measurement once; and what was left out.

    Raises:
        BadRequest: There is no such path, or no cell.
    """
    try:
        cells, left_out = load_readable(path)
    except FileNotFoundError as error:
        raise BadRequest(str(error)) from error
    if cells.empty:
        raise BadRequest(explain_nothing([path], left_out))
    return once_each(cells), left_out


def once_each(cells: pd.DataFrame) -> pd.DataFrame:
    """Keep each measurement once, with every column of the table.

    Args:
        cells: Rows of ``cells``, perhaps of two copies of a run.

    Returns:
        The rows, ``cache`` filled in where it is older than the column.
    """
    columns = dict.fromkeys([*arrow_schema("cells").names, *cells.columns])
    cells = cells.reindex(columns=list(columns))
    cells = cells.assign(cache=cells["cache"].astype(object).fillna("hot"))
    measurement = ["run", "host", "block", "cell", "recorded_at"]
    return cells[~(cells["cell"].notna() & cells.duplicated(measurement))]


def select(named: str | Path, read: Read = read_cells) -> tuple[pd.DataFrame, list[LeftOut]]:
    """Load the cells that are named, and narrow them.

    Args:
        named: ``PATH``, ``PATH@KEY=VALUE,KEY=VALUE`` or ``@KEY=VALUE`` (of ``results``), where
            PATH is what ``read`` takes, KEY a column among ``NARROWING``, and VALUE may hold ``*``
            and ``?``.
        read: Loads the cells.

    Returns:
        Rows, one at least, and what was left out.

    Raises:
        BadRequest: There is no such path, no such column, or no cell.
    """
    path, conditions = (named, {}) if is_remote(named) else _parse(str(named))
    cells, left_out = read(path)
    for key, value in conditions.items():
        values = [plain(cell) for cell in cells[key]]
        kept = cells[[cell == value or fnmatchcase(cell, value) for cell in values]]
        if kept.empty:
            there = ", ".join(sorted(set(values) - {""})) or "none"
            raise BadRequest(f"{named}: no cell with {key}={value}; {path} has {key} {there}")
        cells = kept
    return cells.reset_index(drop=True), left_out


def plain(value: object) -> str:
    """Write a value as it is typed.

    Args:
        value: Of a column that a side may be narrowed by.

    Returns:
        Null as nothing, 2.0 threads as 2.
    """
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _parse(text: str) -> tuple[Path, dict[str, str]]:
    """Split ``PATH@KEY=VALUE,…``; paths and names of devices may hold an @ as well."""
    if text and locate(text).exists():
        return locate(text), {}
    for path, conditions in _splits(text):
        if path == "" or locate(path).exists():
            return locate(path or "results"), _conditions(text, conditions)
    first = next(_splits(text), (text, ""))[0]
    raise BadRequest(f"no such file or folder: {first or 'results'}")


def _splits(text: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"@(?=\w+=)", text):
        yield text[: found.start()], text[found.end() :]


def _conditions(text: str, conditions: str) -> dict[str, str]:
    narrowed: dict[str, str] = {}
    for condition in re.split(r",(?=\w+=)", conditions):
        key, _, value = condition.partition("=")
        if key not in NARROWING:
            raise BadRequest(f"{text}: {key} is no column; choose from {', '.join(NARROWING)}")
        if key in narrowed:
            raise BadRequest(f"{text}: {key} is given twice")
        narrowed[key] = value
    return narrowed
