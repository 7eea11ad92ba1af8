"""The last calibration of each machine."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradbench.results.files import LeftOut, readable_files
from gradbench.results.load import UnreadableResults, load_readable
from gradbench.results.location import locate
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
    rows, left_out = readable_calibrations([locate(path)])
    if left_out:
        reasons = "; ".join(map(str, left_out))
        warnings.warn(f"left out: {reasons}", UnreadableResults, stacklevel=2)
    return rows


def readable_calibrations(folders: Sequence[Path]) -> tuple[pd.DataFrame, list[LeftOut]]:
    """Load the last calibrations that can be read below folders, and list what cannot.

    Args:
        folders: As :func:`latest_calibrations` has them.

    Returns:
        The rows, and the files left out.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    searched = []
    for folder in folders:
        alone = (folder / CELL).is_dir() and not readable_files(folder, CALIBRATION).readable
        searched.append(folder.absolute().parent if alone else folder)
    rows, left_out = load_readable(searched, CALIBRATION)
    stated = rows[rows["stated"].astype(bool)].sort_values("recorded_at", kind="stable")
    key = ["host", "device", "hogs"]
    last = stated.drop_duplicates(key, keep="last").sort_values(key).reset_index(drop=True)
    return last, left_out
