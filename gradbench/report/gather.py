"""Everything that a report is made of, read from any number of runs and machines."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradbench.config import BadRequest

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.results.files import LeftOut


@dataclass(frozen=True)
class Gathered:
    """The rows that a report is made of.

    Args:
        paths: Where they were read from.
        cells: Table ``cells``; of blocks alike, those of the latest run.
        samples: Counts and spread of samples by cell and phase.
        gradients: Gradients by cell and step, over all tensors.
        observations: Table ``observations``; empty where there is none.
        runs: Table ``runs``.
        superseded: Blocks left out because a later run measured them again.
        left_out: Files left out, with the reason of each.
    """

    paths: tuple[Path, ...]
    cells: pd.DataFrame
    samples: pd.DataFrame
    gradients: pd.DataFrame
    observations: pd.DataFrame
    runs: pd.DataFrame
    superseded: int
    left_out: tuple[LeftOut, ...]


def gather(paths: Iterable[str | Path]) -> Gathered:
    """Read what is below paths.

    Args:
        paths: Folders at any level, or files of ``cells``.

    Returns:
        What was found.

    Raises:
        BadRequest: A path does not exist, or nothing below the paths can be read.
    """
    # Imported here: `python -m gradbench --help` must not wait for pandas.
    import pandas as pd

    from gradbench.report.blocks import latest_blocks
    from gradbench.report.scan import gradient_steps, sample_counts
    from gradbench.results.files import readable_files
    from gradbench.results.incomplete import explain_nothing
    from gradbench.results.load import load_readable
    from gradbench.results.schema import TABLES

    roots = tuple(Path(path) for path in paths)
    for root in roots:
        if not root.exists():
            raise BadRequest(f"no such file or folder: {root}")
    folders = [root for root in roots if root.is_dir()]
    cells, no_cells = load_readable(roots, "cells")
    observations, no_observations = (
        load_readable(folders, "observations")
        if folders and "observations" in TABLES
        else (pd.DataFrame(), [])
    )
    runs, no_runs = load_readable(folders, "runs") if folders else (pd.DataFrame(), [])
    if cells.empty and observations.empty:
        raise BadRequest(explain_nothing(roots, [*no_cells, *no_observations], "results"))
    samples, gradients = (readable_files(folders, name) for name in ("samples", "gradients"))
    kept, superseded = latest_blocks(cells)
    return Gathered(
        roots,
        kept,
        sample_counts(_each_once(samples.readable)),
        gradient_steps(_each_once(gradients.readable)),
        observations,
        runs,
        superseded,
        tuple(
            itertools.chain(
                no_cells, no_observations, no_runs, samples.left_out, gradients.left_out
            )
        ),
    )


def _each_once(files: Sequence[Path]) -> list[Path]:
    """Drop copies: a run that lies below two of the paths, once as a copy, counts once."""
    found = {(file.parent.parent.name, file.name): file for file in files}
    return list(found.values())
