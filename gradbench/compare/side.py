"""One side of a comparison: what it names, loaded and narrowed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from gradbench.compare.benchmark_json import read_benchmarks
from gradbench.errors import BadRequest
from gradbench.results.files import LeftOut
from gradbench.results.selection import once_each, read_cells, select


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
        return Side(label, with_controls(_named(once_each(named))))
    cells, left_out = select(named, _read)
    return Side(str(named), cells, left_out)


def _read(path: Path) -> tuple[pd.DataFrame, list[LeftOut]]:
    """Load cells with what their controls say, before narrowing takes those away."""
    if path.suffix == ".json" and path.is_file():
        return with_controls(_named(once_each(read_benchmarks(path)))), []
    cells, left_out = read_cells(path)
    return with_controls(_named(cells)), left_out


def _named(cells: pd.DataFrame) -> pd.DataFrame:
    """Add the column of a benchmark's name, null for a cell."""
    return cells if "name" in cells else cells.assign(name=None)


def with_controls(cells: pd.DataFrame) -> pd.DataFrame:
    """Give each cell what the controls of its block say.

    Args:
        cells: Rows of ``cells``.

    Returns:
        The cells with ``control_s``, its interval ``control_s_low`` and ``control_s_high`` (time
        the bandwidth control took), ``control_replicates`` (those in it), ``baseline`` (name of
        the baseline's cell) and ``baseline_s``.
    """
    block = ["run", "host", "block"]
    controls = cells[cells["role"] == "bandwidth"].drop_duplicates(block)
    baselines = cells[cells["role"] == "baseline"].drop_duplicates(block)
    figures = {f"update_s{end}": f"control_s{end}" for end in ("", "_low", "_high")}
    figures["update_replicates"] = "control_replicates"
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
