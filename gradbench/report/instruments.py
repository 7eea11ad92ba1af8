"""How far instruments scatter and err: a table, and the page.

python -m gradbench.report.instruments results/RUN > experiments/instruments.md
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.table import Table

from gradbench.report.calibration import load_name, percent
from gradbench.results.load import load
from gradbench.results.schema import INSTRUMENT

if TYPE_CHECKING:
    import pandas as pd

OWN = "gradbench"
TIMER = "Timer"
_BLOCK = ["host", "device", "model", "rule", "threads", "budget_s", "hogs", "pair"]


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum up the repeats of each instrument.

    The truth of a pair that is the same twice is 1. That of another pair is the median over
    instruments of their medians on the quiet machine, or under the least load there is: no
    instrument sets it alone.

    Args:
        rows: Rows of ``instruments``.

    Returns:
        A row for each block, load, pair and instrument: ``repeats``, ``ratio`` (median),
        ``spread`` (standard deviation of the log ratio), ``iqr`` (of the log ratio), ``bias``
        (mean log ratio less that of the truth), ``truth`` and ``wall_s`` (mean).
    """
    logs = rows.assign(log=np.log(rows["ratio"]))
    grouped = logs.groupby([*_BLOCK, "instrument"], sort=False, dropna=False)
    table = grouped.agg(
        repeats=("log", "size"),
        centre=("log", "median"),
        mean=("log", "mean"),
        spread=("log", "std"),
        low=("log", lambda x: x.quantile(0.25)),
        high=("log", lambda x: x.quantile(0.75)),
        wall_s=("wall_s", "mean"),
    ).reset_index()
    truths = []
    for _, row in table.iterrows():
        same = (table[_BLOCK[:-2]] == row[_BLOCK[:-2]]).all(axis=1)
        pair = table[same & (table["pair"] == row["pair"])]
        least = pair[pair["hogs"] == pair["hogs"].min()]
        again = str(row["pair"]).endswith("again")
        truths.append(0.0 if again else float(least["centre"].median()))
    return table.assign(
        ratio=np.exp(table["centre"]),
        iqr=table["high"] - table["low"],
        truth=np.exp(truths),
        bias=table["mean"] - truths,
    ).drop(columns=["centre", "mean", "low", "high"])


def instrument_table(summary: pd.DataFrame) -> Table:
    """Draw the instruments, the least scattered first.

    Args:
        summary: Of :func:`summarise`.

    Returns:
        The table.
    """
    table = Table(title_justify="left", pad_edge=False)
    for heading in ("load", "pair", "instrument", "ratio", "spread", "IQR", "bias", "wall"):
        left = heading in ("load", "pair", "instrument")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for (hogs, pair), rows in summary.groupby(["hogs", "pair"], sort=True):
        names = (load_name(int(str(hogs))), str(pair))
        for row in rows.sort_values("spread").to_dict("records"):
            table.add_row(
                *names,
                row["instrument"],
                f"{row['ratio']:.3f}",
                percent(row["spread"]),
                percent(row["iqr"]),
                percent(row["bias"]),
                f"{row['wall_s']:.1f} s",
            )
            names = ("", "")
        table.add_section()
    return table


def verdicts(summary: pd.DataFrame) -> list[str]:
    """Hold gradbench's spread against that of the better Timer.

    Args:
        summary: Of :func:`summarise`.

    Returns:
        A sentence for each load and pair that has both.
    """
    sentences = []
    for (hogs, pair), rows in summary.groupby(["hogs", "pair"], sort=True):
        own = rows[rows["instrument"] == OWN]["spread"]
        timer = rows[rows["instrument"].str.startswith(TIMER)]["spread"]
        if own.empty or timer.empty:
            continue
        ours, theirs = float(own.iloc[0]), float(timer.min())
        share = ours / theirs if theirs else (math.inf if ours else 1.0)
        aim = 1.0 if int(str(hogs)) == 0 else 0.1
        sentences.append(
            f"{load_name(int(str(hogs)))}, `{pair}`: gradbench's spread is {share:.2f} of the "
            f"better Timer's; the aim, {aim:g} at most, is {'met' if share <= aim else 'missed'}."
        )
    return sentences


def instrument_page(rows: pd.DataFrame) -> str:
    """Write the page of the comparison in Markdown.

    Args:
        rows: Rows of ``instruments``.

    Returns:
        The page.
    """
    parts = [
        "# Against what people use",
        "Written by `python -m gradbench.report.instruments`, from rows that "
        "`python -m gradbench.instruments` stored; every figure below is measured.",
    ]
    for _, mine in rows.groupby(_BLOCK[:-2], sort=False, dropna=False):
        first = mine.iloc[0]
        summary = summarise(mine)
        parts += [
            f"## {first['model']} · {first['rule']} · {first['device']}, "
            f"{first['threads']} threads",
            f"{first['host']}, {first['device_name']}, torch {first['torch_version']}, "
            f"{str(first['recorded_at'])[:10]}. Each instrument may sample for "
            f"{first['budget_s']:g} s; in each repeat all of them measure, in random order, on "
            "allocations of their own.",
            _lines(summary),
            "\n".join(f"- {sentence}" for sentence in verdicts(summary)),
        ]
    parts.append(
        "**Spread** is the standard deviation of the log ratio over repeats, **IQR** its "
        "interquartile range. **Bias** is the mean log ratio less the truth: 1 for a call against "
        "itself; for another pair the median of all instruments' medians under the least load. "
        "*Timer* is `torch.utils.benchmark.Timer` with `blocked_autorange` or "
        "`adaptive_autorange` (which may stop early), medians; *pytest-benchmark* is its fixture "
        "with its defaults, medians; *pyperf* is its runner in fresh processes, means, with the "
        "processes forked from one that has imported torch, so that imports cost it no budget; "
        "*gradbench* is its isolated protocol with its zeroing and controls in the same budget. "
        "**Wall** is what a repeat took, set-up included."
    )
    return "\n\n".join(parts) + "\n"


def _lines(summary: pd.DataFrame) -> str:
    lines = [
        "| load | pair | instrument | repeats | ratio | spread | IQR | bias | wall |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    ordered = summary.sort_values(["hogs", "pair", "spread"])
    for row in ordered.to_dict("records"):
        cells = (
            load_name(row["hogs"]),
            f"`{row['pair']}`",
            row["instrument"],
            str(row["repeats"]),
            f"{row['ratio']:.3f}",
            percent(row["spread"]),
            percent(row["iqr"]),
            percent(row["bias"]),
            f"{row['wall_s']:.1f} s",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    paths: Annotated[list[Path], typer.Argument(help="Folders of results.")],
) -> None:
    """Write the page of stored comparisons."""
    import pandas as pd

    for path in paths:
        if not path.exists():
            typer.echo(f"no such folder: {path}", err=True)
            raise typer.Exit(2)
    rows = pd.concat([load(path, INSTRUMENT) for path in paths], ignore_index=True)
    if rows.empty:
        typer.echo(f"no instruments below {', '.join(map(str, paths))}", err=True)
        raise typer.Exit(2)
    sys.stdout.write(instrument_page(rows))


if __name__ == "__main__":
    typer.run(main)
