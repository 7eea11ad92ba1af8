"""The screen that commands print to."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    import pandas as pd

PIPE_WIDTH = 120


def make_console() -> Console:
    """Return the screen; a file or pipe gets lines wide enough for the tables."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def complain(messages: Iterable[object]) -> None:
    """Write messages to the standard error, each in a line of its own.

    Args:
        messages: What to say.
    """
    console = Console(stderr=True, soft_wrap=True)
    for message in messages:
        line = " ".join(str(message).split())
        line = re.sub(r"\S{300,}", lambda word: f"{word[0][:100]}…", line)
        console.print(f"gradbench: {line}", markup=False, highlight=False)


def check_folders(paths: Iterable[Path]) -> None:
    """End a script that was given a folder that is not there.

    Args:
        paths: What it was given.

    Raises:
        typer.Exit: One is missing; exit status 2, after one message.
    """
    for path in paths:
        if not path.exists():
            typer.echo(f"no such folder: {path}", err=True)
            raise typer.Exit(2)


def load_or_exit(paths: Sequence[Path], table: str) -> pd.DataFrame:
    """Load what a script writes a page of, or end it.

    Args:
        paths: Folders that it was given.
        table: Name of the table.

    Returns:
        One row at least; what could not be read is named on the standard error.

    Raises:
        typer.Exit: A folder is missing, or no row can be read; exit status 2, after one message.
    """
    from gradbench.results.incomplete import explain_nothing
    from gradbench.results.load import load_readable

    check_folders(paths)
    rows, left_out = load_readable(paths, table)
    if rows.empty:
        typer.echo(explain_nothing(paths, left_out, table.replace("_", " ")), err=True)
        raise typer.Exit(2)
    complain(f"left out {file}" for file in left_out)
    return rows
