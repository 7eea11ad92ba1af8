"""How far instruments scatter and err, as Markdown: ``python tools/instruments_page.py RUN``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gradbench.observing.readings import (
    PLACES,
    Reading,
    by_place,
    least_exchange_s,
    logarithms,
    middle,
    read,
    spread,
)
from gradbench.report.calibration import percent
from gradbench.report.markdown import markdown_table
from gradbench.report.observations import Row, by_trial, rows_of
from gradbench.terminal.console import load_or_exit

OWN = "gradbench"

_HEAD = """\
# Against what people use

Written by `make instruments`, from rows that `python -m gradbench +experiment=instruments` stored;
every figure below is measured. In each repeat all instruments measure, in random order, on
allocations of their own, and each for the same seconds of wall time.
"""
_FOOT = """\
**Processors** says where they lay before and after a repeat, by the exchange control: together, or
apart, where it takes more than 1.4 times what its fastest twentieth part does; unknown, where there
is no such control. On a virtual machine they are moved, and the ratio itself changes. Repeats in
which they were moved are left out, of all instruments alike, and what is judged is the spread
within a place.

**Spread** is the standard deviation of the log ratio over repeats, **IQR** its interquartile range.
**Bias** is the mean log ratio less the truth: 1 for a call against itself; for another pair the
median of all instruments' medians in the same place under the least load in which it was seen, so
that none sets it alone. **Holds** is in how many repeats gradbench's interval holds what gradbench
says there, or 1 for a call against itself. **Wall** is what a repeat took, from the bound calls to
the answer: its mean.

*Timer* is `torch.utils.benchmark.Timer` with `blocked_autorange` or `adaptive_autorange`, which
stops early and is then asked again: medians of all samples. *pytest-benchmark* is its fixture with
its defaults, its rounds cut off when the time is over: medians. *tests/benchmarks* is how this
repository's benchmarks use that fixture: one call a round, nine turns on fresh tensors, medians.
*pyperf* is its runner in fresh processes while time is left, means; the processes are forked from
one that has imported torch, so that imports cost it nothing. *gradbench* is its isolated protocol
with its zeroing and controls; building the model and verifying are part of its time, and its budget
is so much less.
"""


def instruments_page(rows: Sequence[Row]) -> str:
    """Write the page.

    Args:
        rows: Rows of ``observations``, of the experiment ``instruments``.

    Returns:
        Markdown.
    """
    parts = [_HEAD]
    for trial in by_trial(row for row in rows if row["verdict"] != "failed").values():
        compared = [row for row in trial if row["repeats"]]
        if not compared:
            continue
        first = compared[0]
        parts += [
            f"## {first['device_name']}, {first['threads']:.0f} threads",
            f"{first['host']}, {first['device']}, torch {first['torch_version']}, "
            f"{first['recorded_at'][:10]}; {first['source'].partition('; ')[2]}.",
            _table(compared),
            "\n".join(
                f"- {row['case']}: {row['expected']}. {row['outcome']}: {row['verdict']}."
                for row in trial
            ),
        ]
    return "\n\n".join(part.strip() for part in [*parts, _FOOT]) + "\n"


def _table(trial: Sequence[Row]) -> str:
    """Sum up the repeats of each instrument in each place of the processors, best first."""
    every = [read(row["repeats"]) for row in trial]
    least_s = least_exchange_s(every)
    agreed: dict[tuple[str, str], float] = {}
    right: dict[tuple[str, str], float] = {}
    lines = []
    for row, said in zip(trial, every, strict=True):  # of each pair the least load comes first
        load_name, _, interval = row["case"].partition(": ")
        pair = interval.removeprefix("interval of ")
        parted = {name: by_place(readings, least_s) for name, readings in said.items()}
        for place in PLACES:
            seen = {name: by[place] for name, by in parted.items() if place in by}
            if not seen:
                continue
            middles = {name: middle(readings) for name, readings in seen.items()}
            again = pair.endswith("again")
            truth = float(np.log(np.median(list(middles.values()))))
            truth = agreed.setdefault((pair, place), 0.0 if again else truth)
            if OWN in seen:
                right.setdefault((pair, place), 1.0 if again else middles[OWN])
            for name in sorted(seen, key=lambda name: _spread(seen[name])):
                readings = seen[name]
                values = logarithms(readings)
                low, high = np.quantile(values, [0.25, 0.75])
                held = sum(reading.holds(right.get((pair, place), np.nan)) for reading in readings)
                judged = readings[0].low is not None
                lines.append(
                    [
                        *(load_name, pair, place, name, str(len(readings))),
                        f"{middles[name]:.3f}",
                        *(percent(f) for f in (_spread(readings), float(high - low))),
                        percent(float(values.mean()) - truth),
                        f"{held} of {len(readings)}" if judged else "–",
                        f"{np.mean([reading.wall_s for reading in readings]):.1f} s",
                    ]
                )
    heads = ["load", "pair", "processors", "instrument", "repeats", "ratio", "spread", "IQR"]
    return markdown_table([*heads, "bias", "holds", "wall"], lines)


def _spread(readings: Sequence[Reading]) -> float:
    return spread([readings])


def main(
    paths: Annotated[list[Path], typer.Argument(help="Folders of results.")],
) -> None:
    """Write the page of stored comparisons."""
    rows = rows_of(load_or_exit(paths, "observations"))
    if not any(row["repeats"] for row in rows):
        typer.echo(f"no comparison of instruments below {', '.join(map(str, paths))}", err=True)
        raise typer.Exit(2)
    sys.stdout.write(instruments_page(rows))


if __name__ == "__main__":
    typer.run(main)
