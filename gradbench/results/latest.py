"""The last calibration of each machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gradbench.results.load import load
from gradbench.results.schema import CALIBRATION, CELL

if TYPE_CHECKING:
    import pandas as pd


def latest_calibrations(path: str | Path = "results") -> pd.DataFrame:
    """Load what the last calibrations say of gradbench's own intervals.

    Args:
        path: A folder of results at any level. Where it is one run without a calibration, the
            folder of all runs beside it is looked through.

    Returns:
        Rows of ``calibrations`` of the stated method: the last for each host, device and number
        of busy processes; no rows where nothing was calibrated.

    Raises:
        FileNotFoundError: There is no such path.
    """
    folder = Path(path)
    rows = load(folder, CALIBRATION)
    if rows.empty and (folder / CELL).is_dir():
        rows = load(folder.absolute().parent, CALIBRATION)
    stated = rows[rows["stated"].astype(bool)].sort_values("recorded_at", kind="stable")
    key = ["host", "device", "hogs"]
    return stated.drop_duplicates(key, keep="last").sort_values(key).reset_index(drop=True)
