"""What a calibration says: a table, and a line beside speedups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.table import Table

from gradbench.statistics.verdicts import known

if TYPE_CHECKING:
    import pandas as pd


def calibration_table(rows: pd.DataFrame) -> Table:
    """Draw what a calibration says of the stated method, a row for each load.

    Args:
        rows: Rows of ``calibrations``.

    Returns:
        The table.
    """
    first = rows.iloc[0]
    title = f"{first['model']} · {first['rule']} · {first['device']}: {first['seconds']:g} s a run"
    table = Table(title=title, title_justify="left", pad_edge=False)
    for heading in ("load", "re-runs", "coverage", "false alarms", "found", "± 95 %", "spread"):
        table.add_column(heading, justify="left" if heading == "load" else "right", no_wrap=True)
    for row in rows[rows["stated"].astype(bool)].to_dict("records"):
        table.add_row(
            load_of(row),
            str(row["runs"]),
            share_of(row, "coverage"),
            share_of(row, "false_alarms"),
            found_text(row["detectable_difference"]),
            percent(row["half_width"]),
            percent(row["spread"]),
        )
    return table


def calibration_lines(calibrations: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """Say beside speedups what a calibration of their machine found.

    Args:
        calibrations: Rows of :func:`gradbench.results.latest.latest_calibrations`.
        cells: Rows of ``cells``, whose hosts and devices count.

    Returns:
        A line for each host, device and load; none where nothing was calibrated.
    """
    measured = cells[cells["speedup"].notna()][["host", "device"]].drop_duplicates()
    lines = []
    for host, device in measured.itertuples(index=False):
        mine = calibrations[(calibrations["host"] == host) & (calibrations["device"] == device)]
        lines += [_line(row) for row in mine.to_dict("records")]
    return lines


def _line(row: dict[Any, Any]) -> str:
    found = row["detectable_difference"]
    difference = f"{percent(found)} found" if known(found) else "no planted difference found"
    return (
        f"intervals on {row['host']}, {row['device']}, {load_of(row)}: "
        f"{percent(row['coverage'])} of {row['intervals']} held in {row['runs']} re-runs, "
        f"{percent(row['false_alarms'])} false alarms, {difference} in {row['seconds']:g} s "
        f"({row['model']} · {row['rule']}, {row['recorded_at'][:10]})"
    )


def load_name(hogs: int) -> str:
    """Name a load for people."""
    return "quiet" if hogs == 0 else f"{hogs} busy process{'es' if hogs > 1 else ''}"


def load_of(row: Any) -> str:
    """Name a calibration's load for people, and say where it was not what it was to be."""
    disturbed = row["hogs"] == 0 and known(row["contended"]) and row["contended"] > 0.5
    return "quiet, but others kept it busy" if disturbed else load_name(row["hogs"])


def percent(value: float | None) -> str:
    """Format a share with two significant figures; a dash where unknown."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    figure = 100 * value
    if 0 < abs(figure) < 0.01:
        return f"{figure:.0e} %"
    digits = max(0, 1 - math.floor(math.log10(abs(figure)))) if figure else 0
    return f"{figure:.{min(digits, 2)}f} %" if abs(figure) < 99.5 else f"{figure:.0f} %"


def share_of(row: dict[Any, Any], name: str) -> str:
    """Format a share with its exact interval; a dash where unknown."""
    if not known(row[name]):
        return "–"
    low, high = percent(row[f"{name}_low"]), percent(row[f"{name}_high"])
    return f"{percent(row[name])} ({low.removesuffix(' %')} – {high})"


def found_text(value: float | None) -> str:
    """Format the smallest difference found, where one was."""
    return percent(value) if known(value) else "none"
