"""The verb ``predict``."""

from __future__ import annotations

import math
import re
import warnings
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from gradbench.cli.shares import SAID_MARGIN, MarginOption, parse_share
from gradbench.errors import BadRequest
from gradbench.terminal.console import complain, make_console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table
    from rich.text import Text

    from gradbench.predict.prediction import Ranking

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}


class Format(Enum):
    """How a prediction is printed."""

    table = "table"
    json = "json"


def predict(
    tensors: Annotated[
        str, typer.Option(metavar="NUMBER", help="Tensors that an update writes, such as 300.")
    ],
    parameters: Annotated[
        str, typer.Option(metavar="NUMBER", help="Elements in them, such as 7e9, 124M or 7B.")
    ],
    rule: Annotated[str, typer.Option(help="Which update.")] = "adamw",
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda; all that were measured, if left out.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, …; all, if left out.")] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Threads; those that most models were measured with, if left out."),
    ] = None,
    results: Annotated[
        str, typer.Option(metavar="PATH", help="Stored runs: PATH or PATH@KEY=VALUE,….")
    ] = "results",
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Predict outside of the measured range, too.")
    ] = False,
    margin: MarginOption = SAID_MARGIN,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """Predict what an update costs with each strategy, from stored runs of other models.

    seconds = start + tensors · per tensor + passes · the time that the
    machine's memory takes for the bytes, fitted over the models measured.

    Exit status: 0; 1 if a file could not be read; 2 if nothing fits the
    request, or if it lies outside of what was measured and --extrapolate
    is not given.
    """
    # Imported here: --help must not wait for pandas.
    from gradbench.predict.api import count, rankings

    asked = count((parse_count(tensors, "--tensors"), parse_count(parameters, "--parameters")))
    share = parse_share(margin, "--margin")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = rankings(
                *(results, asked[0], asked[1], rule, device, dtype, threads),
                extrapolate=extrapolate,
                margin=share,
            )
        except BadRequest as error:  # it may be for the files that were left out
            reasons = [str(error), *(str(warning.message) for warning in caught)]
            raise BadRequest("; ".join(reasons)) from error
    complain(warning.message for warning in caught)
    if form is Format.json:
        import pandas as pd

        rows = pd.concat([ranking.rows for ranking in found], ignore_index=True)
        typer.echo(rows.to_json(orient="records", indent=2, force_ascii=False))
        raise typer.Exit(1 if caught else 0)
    console = make_console()
    for ranking in found:
        console.print(_heading(ranking), soft_wrap=True)
        console.print(_table(ranking))
        for line in [*_lines(ranking), *_others(ranking, results)]:
            console.print(line, markup=False, highlight=False)
    raise typer.Exit(1 if caught else 0)


def parse_count(text: str, option: str) -> int:
    """Read a number of things.

    Args:
        text: Such as ``300``, ``7e9``, ``124M`` or ``7B``.
        option: What it is given for.

    Returns:
        The number.

    Raises:
        BadRequest: It is no whole number from 1 on.
    """
    found = re.fullmatch(r"(\d[\d_,]*\.?\d*(?:e\+?\d+)?)([kmgbt]?)", text.strip().lower())
    number = float(found[1].replace(",", "").replace("_", "")) if found else 0.0
    number *= _SUFFIXES[found[2]] if found else 1
    if not math.isfinite(number) or not 1 <= number <= 1e18:
        raise BadRequest(f"{option} {text}: choose a number from 1, such as 300, 7e9 or 124M")
    return round(number)


def _heading(ranking: Ranking) -> Text:
    """Say what is predicted, and whether it is extrapolated."""
    from rich.text import Text

    from gradbench.predict.prediction import describe, memory_words

    size = f"{ranking.tensors:,} tensors, {ranking.parameters:,} parameters"
    heading = Text(f"{size} · {describe(ranking.evidence)}", style="bold")
    if ranking.fits is False:
        heading.append(f"\nDOES NOT FIT: {memory_words(ranking)}", style="bold red")
    if ranking.outside:
        heading.append("\nEXTRAPOLATED beyond what was measured", style="bold yellow")
    return heading


def _others(ranking: Ranking, results: str) -> Iterator[str]:
    """Say what else was measured on the machine, and how to ask for it."""
    from gradbench.predict.fit import LEAST_MODELS
    from gradbench.predict.group import how_to_ask
    from gradbench.predict.prediction import describe

    chosen = ranking.evidence
    if ranking.others:
        yield f"chosen, with {chosen.models} models: {describe(chosen)}"
    for other in ranking.others:
        few = f", fewer than the {LEAST_MODELS} that a prediction needs"
        yield (
            f"not used, {other.models} models{few if other.models < LEAST_MODELS else ''}: "
            f"{describe(other)}; to ask for it: {how_to_ask(other, chosen, results)}"
        )


def _table(ranking: Ranking) -> Table:
    """Draw the ranking."""
    from rich.table import Table

    from gradbench.statistics.verdicts import known
    from gradbench.terminal import figures as text

    table = Table(pad_edge=False)
    table.add_column("strategy", no_wrap=True)
    for heading in ("update", "95 % interval", "×", "verdict", "bound by", "passes", "left out"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in ranking.rows.to_dict("records"):
        half = text.half_width(row["seconds_low"], row["seconds_high"])
        ratio = text.ratio(row["ratio"], text.half_width(row["ratio_low"], row["ratio_high"]))
        first = row["ratio"] == 1 and row["ratio_low"] == row["ratio_high"]
        table.add_row(
            row["strategy"],
            text.seconds(row["seconds"], half),
            text.seconds_interval(row["seconds_low"], row["seconds_high"]),
            "1" if first else ratio.removesuffix("×"),
            "fastest" if first else row["verdict"],
            row["bottleneck"] or "",
            f"{row['passes']:.1f}",
            f"± {text.percent(row['left_out_error'])}" if known(row["left_out_error"]) else "",
        )
    return table


def _lines(ranking: Ranking) -> Iterator[str]:
    """Say what the table rests on and where the ranking changes."""
    from gradbench.predict.prediction import memory_words
    from gradbench.report.crossover import say_crossovers

    measurements = ranking.evidence.measurements
    fastest = str(ranking.rows["strategy"].iloc[0])
    yield f"at {ranking.tensors:,} tensors: " + say_crossovers(
        ranking.by_parameters, "parameters", fastest, ranking.margin
    )
    yield f"at {ranking.parameters:,} parameters: " + say_crossovers(
        ranking.by_tensors, "tensors", fastest, ranking.margin
    )
    yield (
        f"verdict: beside the fastest, by the interval of their ratio: same within "
        f"{100 * ranking.margin:g} %, slower by more, else unclear; passes: its bytes take so "
        "often the time of the bandwidth control; left out: median error for a model left out of "
        "the fit"
    )
    models = ", ".join(sorted(set(measurements["model"])))
    yield f"fitted over {models}" + (
        f"; {ranking.evidence.contended} of the blocks were contended"
        if ranking.evidence.contended
        else ""
    )
    if ranking.left_out_error is not None and ranking.left_out_covered is not None:
        yield (
            f"each model left out in turn: off by {ranking.left_out_error:.0%} (median over "
            f"strategies and models), {ranking.left_out_covered:.0%} within the interval"
        )
    if ranking.fits is not False:
        yield memory_words(ranking)
    for words in ranking.outside:
        yield f"extrapolated: {words}; no measurement vouches for these figures"
    for strategy, reason in sorted(ranking.evidence.unfit.items()):
        yield f"not ranked: {strategy}: {reason}"
