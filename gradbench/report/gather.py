"""Everything that a report is made of, read from any number of runs and machines."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradbench.errors import BadRequest
from gradbench.results.location import address, locate

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.fleet import Fleet
    from gradbench.results.files import LeftOut
    from gradbench.results.pooling import PooledRuns


@dataclass(frozen=True)
class Gathered:
    """The rows that a report is made of.

    Args:
        cells: Table ``cells``, the runs of one question put together.
        samples: Counts and spread of samples by cell and phase.
        gradients: Gradients by cell and step, over all tensors.
        observations: Table ``observations``; empty where there is none.
        runs: Table ``runs``.
        calibrations: Table ``calibrations``, of the stated method, the last of each machine.
        twins: The twins of every run, one for each block.
        pooled: Which blocks were put together.
        left_out: Files left out, with the reason of each.
        fleet: All cells summed up, where they are too many to be drawn; then ``cells`` and the
            tables beside it are of the machines that stand for their like.
    """

    cells: pd.DataFrame
    samples: pd.DataFrame
    gradients: pd.DataFrame
    observations: pd.DataFrame
    runs: pd.DataFrame
    calibrations: pd.DataFrame
    twins: pd.DataFrame
    pooled: PooledRuns
    left_out: tuple[LeftOut, ...]
    fleet: Fleet | None = None


def gather(paths: Iterable[str | Path]) -> Gathered:
    """Read what is below paths.

    Args:
        paths: Folders at any level, or files of ``cells``; paths or URLs.

    Returns:
        What was found.

    Raises:
        BadRequest: A path does not exist, or nothing below the paths can be read.
    """
    # Imported here: `python -m gradbench --help` must not wait for pandas.
    import pandas as pd

    from gradbench.report import fleet as fleets
    from gradbench.report.scan import gradient_steps, sample_counts
    from gradbench.report.twins import stored_twins
    from gradbench.results.files import readable_files
    from gradbench.results.incomplete import explain_nothing
    from gradbench.results.latest import readable_calibrations
    from gradbench.results.load import load_readable
    from gradbench.results.pooling import pool_runs

    roots = tuple(map(locate, paths))
    for root in roots:
        if not root.exists():
            raise BadRequest(f"no such file or folder: {root}")
    folders = [root for root in roots if root.is_dir()]
    found = readable_files(roots, "cells")
    observations, no_observations = (
        load_readable(folders, "observations") if folders else (pd.DataFrame(), [])
    )
    if not found.rows and observations.empty:
        raise BadRequest(explain_nothing(roots, [*found.left_out, *no_observations], "results"))
    fleet = None
    if found.rows > fleets.MOST_CELLS:
        fleet = fleets.survey(found.each_once())
        named = {address(file): file for file in found.readable}
        places = [named[file] for file in dict.fromkeys(fleet.shown["file"])]
        cells, no_cells = load_readable(places, "cells")
        cells = _only(cells, fleet.shown)
        samples, gradients = (
            readable_files(_beside(places, name), name) for name in ("samples", "gradients")
        )
        runs, no_runs = load_readable(_runs_of(places), "runs")
    else:
        cells, no_cells = load_readable(found.readable, "cells")
        samples, gradients = (readable_files(folders, name) for name in ("samples", "gradients"))
        runs, no_runs = load_readable(folders, "runs") if folders else (pd.DataFrame(), [])
    calibrations, no_calibrations = readable_calibrations(folders)
    pooled = pool_runs(cells)
    counts = pooled.named(_with_hosts(sample_counts(samples.each_once()), cells))
    steps = pooled.named(_with_hosts(gradient_steps(gradients.each_once()), cells))
    return Gathered(
        pooled.cells,
        _together(counts),
        steps.drop_duplicates(["run", "host", "block", "cell", "step"]),
        observations,
        runs,
        calibrations,
        stored_twins(found.each_once()),
        pooled,
        tuple(
            itertools.chain(
                found.left_out,
                no_cells,
                no_observations,
                no_runs,
                no_calibrations,
                samples.left_out,
                gradients.left_out,
            )
        ),
        fleet,
    )


def _together(counts: pd.DataFrame) -> pd.DataFrame:
    """Add up the samples of several runs; of their quartiles, take the mean."""
    by = ["run", "host", "block", "cell", "protocol", "phase"]
    return counts.groupby(by, as_index=False, dropna=False, sort=False).agg(
        samples=("samples", "sum"),
        clean=("clean", "sum"),
        quarter_s=("quarter_s", "mean"),
        three_quarters_s=("three_quarters_s", "mean"),
    )


def _only(cells: pd.DataFrame, blocks: pd.DataFrame) -> pd.DataFrame:
    """Keep the cells of some blocks."""
    names = ["run", "host", "block"]
    return cells.merge(blocks[names], "inner", on=names)


def _beside(files: Iterable[Path], table: str) -> list[Path]:
    """List the files of another table that belong to the same blocks."""
    beside = (file.parent.parent / table / file.name for file in files)
    return [file for file in beside if file.exists()]


def _runs_of(files: Iterable[Path]) -> list[Path]:
    """List the folders of ``runs`` of the runs that files belong to."""
    folders = dict.fromkeys(file.parent.parent / "runs" for file in files)
    return [folder for folder in folders if folder.is_dir()]


def _with_hosts(rows: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Name the host of rows older than that column, where their run's block is of one host."""
    names = ["run", "block"]
    hosts = cells[[*names, "host"]].drop_duplicates()
    hosts = hosts[~hosts.duplicated(names, keep=False)].rename(columns={"host": "only"})
    only = rows[names].merge(hosts, "left", on=names)["only"].set_axis(rows.index)
    return rows.assign(host=rows["host"].astype(object).where(rows["host"].notna(), only))
