"""The verb ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gradbench.cli.shares import SAID_MARGIN, MarginOption, parse_share
from gradbench.terminal.console import complain, make_console


def report(
    paths: Annotated[list[str] | None, typer.Argument(help="Folders of results, or URLs.")] = None,
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("report"),
    margin: MarginOption = SAID_MARGIN,
    open_page: Annotated[bool, typer.Option("--open", help="Show it in a browser.")] = False,
) -> None:
    """Write a page, tables (Markdown, LaTeX, CSV) and figures (SVG, PNG) of stored runs."""
    # Imported here: --help must not wait for it.
    from gradbench.report.publish import report as make_report
    from gradbench.report.twins import twin_lines

    share = parse_share(margin, "--margin")
    with Console(stderr=True).status("starting") as status:
        made = make_report(paths or ["results"], output, status.update, share)
    page = output / "index.html"
    console = make_console()
    console.print(f"written: {page}", markup=False, highlight=False, soft_wrap=True)
    for line in twin_lines(made.content.twins):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    complain(made.content.notes)
    if open_page:
        typer.launch(str(page.resolve()))
    raise typer.Exit(1 if made.content.left_out else 0)
