"""The verb ``runs``."""

from __future__ import annotations

import json
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from gradbench.errors import BadRequest
from gradbench.terminal.console import complain, make_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from gradbench.results.overview import RunOverview


class Format(Enum):
    """How the runs are printed."""

    table = "table"
    json = "json"


def runs(
    paths: Annotated[list[str] | None, typer.Argument(help="Folders of results, or URLs.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """List the runs there are: complete or not, how long, on which device.

    Exit status: 0; 1 if a file could not be read; 2 if none could, or there is none.
    """
    # Imported here: --help must not wait for pyarrow.
    from gradbench.results.overview import overview

    chosen = paths or ["results"]
    try:
        found, left_out = overview(chosen)
    except FileNotFoundError as error:
        raise BadRequest(str(error)) from error
    if not any(run.rows for run in found):
        where = ", ".join(map(str, chosen))
        why = "; ".join(map(str, left_out))
        raise BadRequest(
            f"no runs below {where}: " + (f"left out {why}" if why else "give a folder of results")
        )
    if form is Format.json:
        typer.echo(_as_json(found))
    else:
        console = make_console()
        console.print(runs_table(found))
    complain(f"left out {file}" for file in left_out)
    raise typer.Exit(1 if left_out else 0)


def runs_table(found: Sequence[RunOverview]) -> Table:
    """Draw a row for each run, the oldest first.

    Args:
        found: The runs.

    Returns:
        The table.
    """
    from rich.table import Table
    from rich.text import Text

    experiments = any(run.experiments or run.experiments_asked for run in found)
    headings = ["run", "state", "blocks", "cells", "samples", "started", "took"]
    if experiments:
        headings.insert(3, "experiments")
    places = [_where(run) for run in found]
    one_place = len(set(places)) == 1
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings if one_place else [*headings, "where"]:
        right = heading in ("blocks", "experiments", "samples", "took")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for run, place in zip(found, places, strict=True):
        style = {"complete": "green", "incomplete": "yellow"}.get(run.state.split(":")[0], "red")
        row: list[str | Text] = [
            Text(run.folder.name),
            Text(run.state, style=style),
            _of(run.blocks, run.asked),
            *([_of(run.experiments, run.experiments_asked)] if experiments else []),
            Text(", ".join(f"{count} {status}" for status, count in sorted(run.cells.items()))),
            f"{run.rows.get('samples', 0)}",
            Text((run.started_at or "")[:16].replace("T", " ")),
            "" if run.wall_s is None else str(timedelta(seconds=round(run.wall_s))),
        ]
        table.add_row(*row, *([] if one_place else [Text(place)]))
    if one_place and places[0]:
        table.caption, table.caption_justify = f"all on {places[0]}", "left"
    return table


def _of(done: int, asked: int | None) -> str:
    return f"{done}" if asked is None else f"{done} of {asked}"


def _where(run: RunOverview) -> str:
    return " · ".join([*run.hosts, *run.devices, *(f"torch {v}" for v in run.torch_versions)])


def _as_json(found: Sequence[RunOverview]) -> str:
    rows = [{**vars(run), "folder": str(run.folder)} for run in found]
    return json.dumps(rows, indent=2, ensure_ascii=False)
