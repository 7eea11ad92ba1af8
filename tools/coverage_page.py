"""What calibrations found, as Markdown: ``python tools/coverage_page.py results/RUN``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradbench.observing.experiment import load_file
from gradbench.report.calibration import found_text, load_of, percent, share_of
from gradbench.report.markdown import markdown_table
from gradbench.request.schema import experiments_folder
from gradbench.results.load import load_readable
from gradbench.statistics.verdicts import known
from gradbench.terminal.console import load_or_exit

if TYPE_CHECKING:
    import pandas as pd

_HEAD = """\
# Do the intervals hold?

Written by `make calibrate`, from rows that `python -m gradbench calibrate` stored; every figure
below is measured.
"""
_LEGEND = """\
**Coverage**: how many stated 95 % intervals of a speedup hold the median of all re-runs' estimates
of it. **False alarms**: how many intervals of cells identical to the baseline leave out 1; beyond
noise, how many lie wholly beyond the block's noise floor. **Found**: the smallest planted slowdown
that at least four of five re-runs find, as they do all larger ones. In brackets exact binomial
intervals, as if the cells of a re-run were independent; they share the baseline, so that the truth
is wider.
"""
_PLANTED = """\
The size of what is planted is measured apart from what is to find it: the planted work and the
baseline each alone, the fastest of many samples, median of five allocations.
"""


def coverage_page(rows: pd.DataFrame, planted: pd.DataFrame) -> str:
    """Write the page.

    Args:
        rows: Rows of ``calibrations``.
        planted: Rows of ``planted_work``.

    Returns:
        Markdown.
    """
    parts = [_HEAD]
    stated = rows[rows["stated"].astype(bool)]
    for _, mine in stated.groupby(
        ["run", "host", "device", "model", "rule", "seconds"], sort=False
    ):
        first = mine.iloc[0]
        here = planted[(planted["run"] == first["run"]) & (planted["host"] == first["host"])]
        parts += _section(mine, here)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _section(rows: pd.DataFrame, planted: pd.DataFrame) -> Iterator[str]:
    first = rows.iloc[0]
    yield f"## {first['model']} · {first['rule']} · {first['device']}"
    yield (
        f"{first['host']}, {first['device_name'] or first['device']}, torch "
        f"{first['torch_version']}, {first['dtype']}"
        + _threads(first["threads"])
        + f", {first['recorded_at'][:10]}. Each re-run is a fresh process that samples for "
        f"{first['seconds']:g} s."
    )
    heads = ["load", "re-runs", "coverage", "false alarms", "beyond noise", "found"]
    yield markdown_table(
        [*heads, "found beyond noise", "± 95 %", "spread", "contended"],
        [
            [
                *(load_of(row), str(row["runs"])),
                *(share_of(row, "coverage"), share_of(row, "false_alarms")),
                percent(row["false_alarms_beyond_noise"]),
                *map(found_text, (row["detectable_difference"], row["detectable_beyond_noise"])),
                *(percent(row[name]) for name in ("half_width", "spread", "contended")),
            ]
            for row in rows.to_dict("records")
        ],
    )
    yield _LEGEND
    judged = load_file(experiments_folder() / "coverage.py").judge(rows)
    yield "\n".join(
        f"- {seen.case}: {seen.outcome}; wanted: {seen.expected}: {seen.verdict.value}."
        for seen in judged
        if seen.verdict.value != "skipped"
    )
    if len(planted):
        lines = [
            [row["strategy"], percent(row["fraction"]), percent(row["difference"])]
            for row in planted.to_dict("records")
        ]
        yield markdown_table(["strategy", "tensors updated twice", "slower by"], lines)
        yield _PLANTED


def _threads(count: float | None) -> str:
    """Say how many threads there were, where that was chosen."""
    if not known(count):
        return ""
    return f", {count:.0f} thread{'' if count == 1 else 's'}"


def main(
    paths: Annotated[list[Path], typer.Argument(help="Folders of results.")],
) -> None:
    """Write the page of stored calibrations."""
    rows = load_or_exit(paths, "calibrations")
    planted, _ = load_readable(paths, "planted_work")
    sys.stdout.write(coverage_page(rows, planted))


if __name__ == "__main__":
    typer.run(main)
