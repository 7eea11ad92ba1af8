"""One side of a comparison: what it names, loaded and narrowed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from gradbench.comparison.benchmark_json import read_benchmarks
from gradbench.config import BadRequest
from gradbench.results.files import LeftOut
from gradbench.results.incomplete import explain_nothing
from gradbench.results.load import load_readable
from gradbench.results.location import is_remote, locate
from gradbench.results.schema import arrow_schema

NARROWING = (
    *("run", "host", "device", "device_name", "driver", "clock_hz"),
    *("torch_version", "gradbench_version"),
    *("model", "rule", "dtype", "threads", "cache", "seed", "strategy", "zeroing"),
)
"""Columns of ``cells`` that a side may be narrowed by."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Args:
        label: As it was named.
        cells: Rows of ``cells``, with ``name`` where they come from pytest-benchmark.
        left_out: Files that could not be read.
    """

    label: str
    cells: pd.DataFrame
    left_out: list[LeftOut] = field(default_factory=list)


def read_side(named: str | Path | pd.DataFrame, label: str) -> Side:
    """Load one side.

    Args:
        named: ``PATH``, ``PATH@KEY=VALUE,KEY=VALUE`` or ``@KEY=VALUE`` (of ``results``), where
            PATH is a folder of results at any level, a file of ``cells`` or a JSON file of
            pytest-benchmark, KEY a column among ``NARROWING``, and VALUE may hold ``*`` and
            ``?``; or rows of ``cells``.
        label: What to call rows that have no path: BASE or OTHER.

    Returns:
        The side, with at least one row.

    Raises:
        BadRequest: There is no such path, no such column, or no cell.
    """
    if isinstance(named, pd.DataFrame):
        if named.empty:
            raise BadRequest(f"{label} has no rows")
        columns = [*arrow_schema("cells").names, "name"]
        return Side(label, with_controls(named.reindex(columns=columns)))
    path, conditions = (named, {}) if is_remote(named) else _parse(str(named))
    cells, left_out = _read(path)
    for key, value in conditions.items():
        values = [plain(cell) for cell in cells[key]]
        kept = cells[[cell == value or fnmatchcase(cell, value) for cell in values]]
        if kept.empty:
            there = ", ".join(sorted(set(values) - {""})) or "none"
            raise BadRequest(f"{named}: no cell with {key}={value}; {path} has {key} {there}")
        cells = kept
    return Side(str(named), cells.reset_index(drop=True), left_out)


def _read(path: Path) -> tuple[pd.DataFrame, list[LeftOut]]:
    columns = [*arrow_schema("cells").names, "name"]
    if path.suffix == ".json" and path.is_file():
        return with_controls(read_benchmarks(path).reindex(columns=columns)), []
    try:
        cells, left_out = load_readable(path)
    except FileNotFoundError as error:
        raise BadRequest(str(error)) from error
    if cells.empty:
        raise BadRequest(explain_nothing([path], left_out))
    return with_controls(cells.reindex(columns=columns)), left_out


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


def with_controls(cells: pd.DataFrame) -> pd.DataFrame:
    """Give each cell what the controls of its block say, before narrowing takes those away.

    Args:
        cells: Rows of ``cells``; a measurement that is there twice counts once.

    Returns:
        The cells with ``control_s``, its interval ``control_s_low`` and ``control_s_high`` (time
        the bandwidth control took), ``baseline`` (name of the baseline's cell) and ``baseline_s``.
    """
    cells = cells.assign(cache=cells["cache"].astype(object).fillna("hot"))  # before there was cold
    measurement = ["run", "host", "block", "cell", "recorded_at"]
    stored = cells["cell"].notna()
    cells = cells[~(stored & cells.duplicated(measurement))]
    block = ["run", "host", "block"]
    controls = cells[cells["role"] == "bandwidth"].drop_duplicates(block)
    baselines = cells[cells["role"] == "baseline"].drop_duplicates(block)
    figures = {f"update_s{end}": f"control_s{end}" for end in ("", "_low", "_high")}
    controls = controls[[*block, *figures]].rename(columns=figures)
    baselines = baselines[[*block, "cell", "update_s"]]
    baselines = baselines.rename(columns={"cell": "baseline", "update_s": "baseline_s"})
    return cells.merge(controls, "left", on=block).merge(baselines, "left", on=block)


def records(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Turn rows into dictionaries, with None for whatever is null.

    Args:
        cells: The rows.

    Returns:
        One dictionary a row.
    """
    anything: Any = cells.astype(object)
    rows: list[dict[str, Any]] = anything.where(cells.notna(), None).to_dict("records")
    return rows


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
