"""The verb ``summary``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from gradbench.cli.exits import DONE, FAILED
from gradbench.errors import BadRequest
from gradbench.terminal.console import complain, make_console

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd


def summary(
    paths: Annotated[list[str] | None, typer.Argument(help="Folders of results, or URLs.")] = None,
) -> None:
    """Print the tables of stored runs, other people's too."""
    from gradbench.results.incomplete import explain_nothing
    from gradbench.results.load import load_readable
    from gradbench.results.location import locate
    from gradbench.results.schema import CELL, OBSERVATION

    chosen = [locate(path) for path in paths or ["results"]]
    experiments = [path for path in chosen if path.is_dir() or path.parent.name == OBSERVATION]
    others = [path for path in chosen if path.is_dir() or path.parent.name != OBSERVATION]
    try:
        cells, left_out = load_readable(others, CELL)
        observations, more_left_out = load_readable(experiments, OBSERVATION)
    except FileNotFoundError as error:
        raise BadRequest(str(error)) from error
    left_out += more_left_out
    if cells.empty and observations.empty:
        raise BadRequest(explain_nothing(chosen, left_out, "results"))
    console = make_console()
    folders = [path for path in chosen if path.is_dir()]
    print_summary(console, cells, observations, folders)
    print_trust(console, folders, cells)
    complain(f"left out {file}" for file in left_out)
    raise typer.Exit(FAILED if left_out else DONE)


def print_summary(
    console: Console, cells: pd.DataFrame, observations: pd.DataFrame, folders: Sequence[Path]
) -> None:
    """Print the tables of cells and observations.

    Args:
        console: Where to.
        cells: Rows of ``cells``.
        observations: Rows of ``observations``.
        folders: Where their runs are, whose configuration has the learning rates.
    """
    from gradbench.report.observations import observation_summaries, rows_of
    from gradbench.results.apart import apart_lines
    from gradbench.results.learning_rates import with_learning_rates
    from gradbench.results.load import load_readable
    from gradbench.results.schema import RUN
    from gradbench.terminal.approximation import approximation_lines
    from gradbench.terminal.choices import choice_lines
    from gradbench.terminal.resolution import resolution_lines
    from gradbench.terminal.situations import situation_lines
    from gradbench.terminal.summary import status_lines, summary_tables
    from gradbench.terminal.zeroings import zeroing_tables

    for table in [*summary_tables(cells), *zeroing_tables(cells)]:
        console.print(table)
    runs = load_readable(folders, RUN)[0]
    known = with_learning_rates(cells, runs)
    found = [*choice_lines(cells, runs), *resolution_lines(known), *situation_lines(cells)]
    found += [*approximation_lines(cells), *apart_lines(cells)]
    for line in [*found, *status_lines(cells)]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for summed_up in observation_summaries(rows_of(observations)):
        console.print(summed_up)


def print_trust(console: Console, folders: Sequence[Path], cells: pd.DataFrame) -> None:
    """Say how far the intervals above are to be trusted: what twins and calibrations showed.

    Args:
        console: Where to.
        folders: Where the cells are, and calibrations in or beside them.
        cells: Rows of ``cells`` that were shown.
    """
    import pandas as pd

    from gradbench.report.calibration import calibration_lines
    from gradbench.report.twins import judge_twins, twin_lines, twins_beside
    from gradbench.results.latest import latest_calibrations

    for line in twin_lines(judge_twins(cells, twins_beside(folders, cells))):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if folders:
        found = pd.concat([latest_calibrations(folder) for folder in folders], ignore_index=True)
        for line in calibration_lines(found.drop_duplicates(), cells):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
