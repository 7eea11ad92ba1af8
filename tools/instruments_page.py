"""How far instruments scatter and err, as Markdown: ``python tools/instruments_page.py RUN``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gradbench.report.calibration import percent
from gradbench.report.markdown import markdown_table
from gradbench.report.observations import Row, by_trial, rows_of
from gradbench.results.load import load
from gradbench.terminal.console import check_folders

_HEAD = """\
# Against what people use

Written by `make instruments`, from rows that `python -m gradbench +experiment=instruments` stored;
every figure below is measured. In each repeat all instruments measure, in random order, on
allocations of their own.
"""
_FOOT = """\
**Spread** is the standard deviation of the log ratio over repeats, **IQR** its interquartile range.
**Bias** is the mean log ratio less the truth: 1 for a call against itself; for another pair the
median of all instruments' medians under the least load, so that none sets it alone. *Timer* is
`torch.utils.benchmark.Timer` with `blocked_autorange` or `adaptive_autorange` (which may stop
early), medians; *pytest-benchmark* is its fixture with its defaults, medians; *pyperf* is its
runner in fresh processes, means, with the processes forked from one that has imported torch, so
that imports cost it no budget; *gradbench* is its isolated protocol with its zeroing and controls
in the same budget. **Wall** is what a repeat took, set-up included.
"""


def instruments_page(rows: Sequence[Row]) -> str:
    """Write the page.

    Args:
        rows: Rows of ``observations``, of the experiment ``instruments``.

    Returns:
        Markdown.
    """
    parts = [_HEAD]
    for trial in by_trial(row for row in rows if row["repeats"]).values():
        first = trial[0]
        parts += [
            f"## {first['device_name']}, {first['threads']:.0f} threads",
            f"{first['host']}, {first['device']}, torch {first['torch_version']}, "
            f"{first['recorded_at'][:10]}; {first['source'].partition('; ')[2]}.",
            _table(trial),
            "\n".join(
                f"- {row['case']}: gradbench's spread is {row['outcome']} the better Timer's; the "
                f"aim, {row['expected']}, is {row['verdict']}."
                for row in trial
            ),
        ]
    return "\n\n".join(part.strip() for part in [*parts, _FOOT]) + "\n"


def _table(trial: Sequence[Row]) -> str:
    """Sum up the repeats of each instrument, the least scattered first."""
    truths: dict[str, float] = {}
    lines = []
    for row in trial:  # the least load comes first
        load_name, _, pair = row["case"].partition(": ")
        said = json.loads(row["repeats"])
        logs = {name: np.log([ratio for ratio, _ in told]) for name, told in said.items()}
        agreed = float(np.median([np.median(values) for values in logs.values()]))
        truth = truths.setdefault(pair, 0.0 if pair.endswith("again") else agreed)
        for name, values in sorted(logs.items(), key=lambda item: float(item[1].std())):
            low, high = np.quantile(values, [0.25, 0.75])
            figures = (values.std(ddof=1), high - low, values.mean() - truth)
            lines.append(
                [
                    *(load_name, pair, name, str(len(values)), f"{np.exp(np.median(values)):.3f}"),
                    *(percent(float(figure)) for figure in figures),
                    f"{np.mean([took_s for _, took_s in said[name]]):.1f} s",
                ]
            )
    heads = ["load", "pair", "instrument", "repeats", "ratio", "spread", "IQR", "bias", "wall"]
    return markdown_table(heads, lines)


def main(
    paths: Annotated[list[Path], typer.Argument(help="Folders of results.")],
) -> None:
    """Write the page of stored comparisons."""
    check_folders(paths)
    rows = [row for path in paths for row in rows_of(load(path, "observations"))]
    if not any(row["repeats"] for row in rows):
        typer.echo(f"no comparison of instruments below {', '.join(map(str, paths))}", err=True)
        raise typer.Exit(2)
    sys.stdout.write(instruments_page(rows))


if __name__ == "__main__":
    typer.run(main)
