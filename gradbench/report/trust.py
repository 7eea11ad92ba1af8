"""How far to trust a cell's interval: what a calibration of its machine found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gradbench.report.calibration import load_of, percent
from gradbench.statistics.verdicts import known

if TYPE_CHECKING:
    import pandas as pd

FIGURES = ("coverage", "false_alarms", "detectable_difference")
"""What a calibration says of intervals."""


def trusted(cells: pd.DataFrame, calibrations: pd.DataFrame) -> pd.DataFrame:
    """Set beside each cell what the calibration of its machine says.

    A quiet block has the calibration of the least load; a contended one that of the busy load
    whose intervals hold least, since nobody knows how busy its machine was.

    Args:
        cells: Described cells.
        calibrations: The last rows of the stated method, by host, device and load.

    Returns:
        The cells with ``coverage``, ``false_alarms`` and ``detectable_difference``, null where
        the machine is not calibrated, and ``calibration_text``, which says them to people.
    """
    rows: dict[tuple[Any, Any], list[dict[Any, Any]]] = {}
    for row in calibrations.to_dict("records"):
        rows.setdefault((row["host"], row["device"]), []).append(row)
    keys = zip(cells["host"], cells["device"], cells["clock"] == "contended", strict=True)
    chosen = [_choose(rows.get((host, device), []), busy) for host, device, busy in keys]
    texts = [_say(row, str(device)) for row, device in zip(chosen, cells["device"], strict=True)]
    shown = cells.assign(calibration_text=texts)
    for name in FIGURES:
        shown[name] = [math.nan if row is None else row[name] for row in chosen]
    return shown


def _choose(rows: list[dict[Any, Any]], busy: bool) -> dict[Any, Any] | None:
    """Choose the calibration of a load."""
    loaded = [row for row in rows if row["hogs"] > 0]
    if busy and loaded:
        return min(loaded, key=lambda row: float(row["coverage"]))
    return min(rows, key=lambda row: int(row["hogs"]), default=None)


def _say(row: dict[Any, Any] | None, device: str) -> str:
    if row is None:
        option = "" if device == "cpu" else f" device={device}"
        return f"not calibrated: run python -m gradbench calibrate{option}"
    found = row["detectable_difference"]
    difference = f"{percent(found)} detectable" if known(found) else "nothing planted was found"
    return (
        f"{load_of(row)}: {percent(row['coverage'])} held, "
        f"{percent(row['false_alarms'])} false alarms, {difference}"
    )
