"""The verb ``compare``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from gradbench.cli.shares import SAID_MARGIN, MarginOption, parse_share
from gradbench.terminal.console import complain, make_console

_SIDE = "PATH, PATH@KEY=VALUE,… or a JSON file of pytest-benchmark."


class Format(Enum):
    """How a comparison is printed."""

    table = "table"
    markdown = "markdown"
    json = "json"


class By(Enum):
    """The figure that decides."""

    time = "time"
    bandwidth = "bandwidth"
    baseline = "baseline"


class SeveralRuns(Enum):
    """What becomes of several runs of one cell on a side."""

    refuse = "refuse"
    latest = "latest"
    pool = "pool"


def compare(
    base: Annotated[str, typer.Argument(metavar="BASE", help=_SIDE, show_default=False)],
    other: Annotated[str, typer.Argument(metavar="OTHER", help=_SIDE, show_default=False)],
    by: Annotated[
        By,
        typer.Option(
            help="What decides: the update time, that × the measured bandwidth, or that over the "
            "run's own baseline, which is what noisy machines are compared by."
        ),
    ] = By.time,
    margin: MarginOption = SAID_MARGIN,
    fail_slower: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Exit with 1 if a cell is slower and its whole interval says by more than this.",
        ),
    ] = None,
    fail_counts: Annotated[
        bool,
        typer.Option(
            "--fail-counts", help="Exit with 1 if a cell launches more or takes more memory."
        ),
    ] = False,
    fail_missing: Annotated[
        bool,
        typer.Option(
            "--fail-missing", help="Exit with 1 if OTHER has no time of a cell that BASE has."
        ),
    ] = False,
    across: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Compare cells that differ in rule, threads, cache, …"),
    ] = None,
    several: Annotated[
        SeveralRuns, typer.Option(help="What to do with several runs of a cell on one side.")
    ] = SeveralRuns.refuse,
    form: Annotated[
        Format, typer.Option("--format", help="How to print the comparison.")
    ] = Format.table,
) -> None:
    """Compare two runs, folders, devices or torch versions, cell by cell.

    A side is a folder or file of results, narrowed where need be by
    @KEY=VALUE,…: results/a, results@device=cuda, @run=first (in results),
    'results@torch_version=2.12*,model=gpt2'.

    KEY is run, host, device, device_name, driver, clock_hz,
    torch_version, gradbench_version, model, rule, options, dtype, threads, cache, seed,
    strategy or zeroing.

    Exit status: 0; 1 if a --fail option says so or a file could not be
    read; 2 if the request is wrong.
    """
    # Imported here: --help must not wait for pandas.
    from gradbench.compare import gate, screen, text
    from gradbench.compare.api import compare as compare_cells

    limit = None if fail_slower is None else parse_share(fail_slower, "--fail-slower")
    comparison = compare_cells(
        base,
        other,
        margin=parse_share(margin, "--margin"),
        across=[key for keys in across or [] for key in keys.split(",")],
        several=several.value,
    )
    gate.check_decidable(comparison, by.value)
    failed = gate.failures(
        comparison, by=by.value, slower=limit, counts=fail_counts, missing=fail_missing
    )
    if form is Format.json:
        typer.echo(text.as_json(comparison, by=by.value, failures=failed))
    elif form is Format.markdown:
        typer.echo(text.markdown(comparison, by=by.value, failures=failed))
    else:
        console = make_console()
        console.print(screen.render(comparison, by=by.value, width=console.width))
    left_out = comparison.attrs["left_out"]
    complain([*(f"left out {file}" for file in left_out), *(f"failed: {line}" for line in failed)])
    raise typer.Exit(1 if left_out or failed else 0)
