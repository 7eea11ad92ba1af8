"""How often identical code was called different: every block has measured its baseline twice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradbench.report.calibration import percent
from gradbench.report.scan import scan
from gradbench.request.block import safe
from gradbench.results.files import readable_files
from gradbench.results.location import filesystem
from gradbench.results.schema import CELL
from gradbench.statistics.share import Share
from gradbench.statistics.verdicts import MARGIN, speedup_verdict

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.results.files import TableFiles

COLUMNS = (
    *("run", "host", "block", "recorded_at", "device", "device_name"),
    *("speedup", "speedup_low", "speedup_high"),
)

_MACHINE = ["host", "device", "device_name"]


@dataclass(frozen=True)
class Tally:
    """What twins showed: each is a trial of identical code.

    Args:
        different: Blocks that called it different beyond the margin.
        held: Blocks of which the twin's interval held 1.
        runs: Number of runs they are from.
    """

    different: Share
    held: Share
    runs: int


@dataclass(frozen=True)
class Twins:
    """The twins of one device of one host.

    Args:
        host: Name of the machine.
        device: Name of the hardware, or else of the device option.
        shown: Those of the blocks shown.
        pooled: Those of every run that was found, each block by itself.
    """

    host: str
    device: str
    shown: Tally
    pooled: Tally


def stored_twins(files: TableFiles) -> pd.DataFrame:
    """Read the twins of stored runs.

    Args:
        files: Files of ``cells``.

    Returns:
        Their rows, with the columns of ``COLUMNS``.
    """
    return scan(f"SELECT {', '.join(COLUMNS)} FROM rows WHERE role = 'twin'", files, "cells")


def twins_beside(folders: Sequence[Path], cells: pd.DataFrame) -> pd.DataFrame:
    """Read the twins that the machines of some cells have in all runs beside theirs.

    Args:
        folders: Where the cells are. Of one run, the runs beside it in the same folder are looked
            through, by the metadata of their files alone; of a folder of runs the cells are all.
        cells: Rows of ``cells``.

    Returns:
        The twins, those of the cells first, with the columns of ``COLUMNS``.
    """
    import duckdb
    import pandas as pd

    own = cells[cells["role"] == "twin"][list(COLUMNS)]
    hosts = [escape(safe(str(host))) for host in cells["host"].dropna().unique()]
    runs = [each for each in folders if filesystem(each) is None and (each / CELL).is_dir()]
    outputs = dict.fromkeys(run.absolute().parent for run in runs)
    files = [
        file
        for output in outputs
        for host in hosts
        for file in output.glob(f"*/{CELL}/{host}-*.parquet")
    ]
    try:
        beside = _whole_twins(files, duckdb.Error)
    except OSError:  # a run was removed meanwhile
        return own
    return pd.concat([own, beside], ignore_index=True) if len(beside) else own


def _whole_twins(files: Sequence[Path], damaged: type[Exception]) -> pd.DataFrame:
    """Read twins; by checksums only where a file turns out damaged, since that reads all of it."""
    try:
        return stored_twins(readable_files(files, CELL, checksums=False))
    except damaged:
        return stored_twins(readable_files(files, CELL))


def judge_twins(cells: pd.DataFrame, every: pd.DataFrame, margin: float = MARGIN) -> list[Twins]:
    """Count how often identical code was called different, by host and device.

    A block's noise floor is made of its twin, so the twin is judged by the margin alone.

    Args:
        cells: Rows of ``cells`` that are shown.
        every: Rows of ``cells`` of every run, or their twins.
        margin: Smallest relative difference of two times that matters.

    Returns:
        What each machine shown has, in order of host and device.
    """
    shown, pooled = _usable(cells), _usable(every)
    found = []
    for (host, device, name), rows in shown.groupby(_MACHINE, dropna=False, sort=True):
        alike = pooled["device_name"].isna() if name != name else pooled["device_name"] == name
        mine = pooled[(pooled["host"] == host) & (pooled["device"] == device) & alike]
        label = hardware_name({"device": device, "device_name": name})
        found.append(Twins(str(host), label, _tally(rows, margin), _tally(mine, margin)))
    return found


def hardware_name(row: Mapping[Any, Any]) -> str:
    """Name a device as :class:`Twins` does.

    Args:
        row: Of ``cells``.

    Returns:
        The name of the hardware, or else of the device option.
    """
    name = row["device_name"]
    return name if isinstance(name, str) else str(row["device"])


def _usable(cells: pd.DataFrame) -> pd.DataFrame:
    """Keep twins with an interval that says anything, each measurement once."""
    rows = cells[cells["role"] == "twin"] if "role" in cells else cells
    rows = rows.reindex(columns=list(COLUMNS))
    low, high = rows["speedup_low"].astype(float), rows["speedup_high"].astype(float)
    rows = rows[(low > 0) & (high < math.inf)]
    rows = rows.assign(device_name=rows["device_name"].astype(object))
    return rows.drop_duplicates(["run", "host", "block", "recorded_at"])


def _tally(rows: pd.DataFrame, margin: float) -> Tally:
    judged = [_different(row, margin) for row in rows.to_dict("records")]
    held = (rows["speedup_low"] <= 1) & (rows["speedup_high"] >= 1)
    trials = len(rows)
    return Tally(Share(sum(judged), trials), Share(int(held.sum()), trials), rows["run"].nunique())


def _different(row: dict[Any, Any], margin: float) -> bool:
    figures = (row["speedup"], row["speedup_low"], row["speedup_high"])
    return speedup_verdict(*figures, margin=margin, noise=0.0) in ("faster", "slower")


def twin_lines(twins: Sequence[Twins]) -> list[str]:
    """Say how often identical code was called different, and how often it will be.

    Args:
        twins: What :func:`judge_twins` found.

    Returns:
        A line for each machine; the exact 95 % intervals are those of all its runs.
    """
    return [f"{each.host}, {each.device}: {said_of(each)}" for each in twins]


def said_of(twins: Twins) -> str:
    """Say it of one machine, without its name.

    Args:
        twins: Of one host and device.

    Returns:
        Such as ``identical code was called different in 0 of 21 blocks; …``.
    """
    shown, pooled = twins.shown, twins.pooled
    said = (
        f"identical code was called different in {_of(shown.different)} blocks; the twins' "
        f"intervals held 1 in {_of(shown.held)}"
    )
    different, held = (interval_text(share) for share in (pooled.different, pooled.held))
    if pooled.different.trials <= shown.different.trials:
        return f"{said} (95 % intervals: {different} and {held})"
    return (
        f"{said}; over all of {_runs(pooled)} here, different in {_of(pooled.different)} "
        f"({different}), held in {_of(pooled.held)} ({held})"
    )


def _runs(tally: Tally) -> str:
    return f"{tally.runs} run{'' if tally.runs == 1 else 's'}"


def _of(share: Share) -> str:
    return f"{share.hits} of {share.trials}"


def interval_text(share: Share) -> str:
    """Format a share's exact 95 % interval (Clopper and Pearson).

    Args:
        share: The share.

    Returns:
        Such as ``0 – 16 %``; a dash without trials.
    """
    ends = share.columns("share")
    low, high = percent(ends["share_low"]), percent(ends["share_high"])
    return high if high == "–" else f"{low.removesuffix(' %')} – {high}"
