"""What a calibration says: a table, a line beside speedups, and the page of all candidates.

python -m gradbench.report.calibration results/RUN > experiments/coverage.md
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from gradbench.results.load import load
from gradbench.results.schema import CALIBRATION, PLANTED_WORK

if TYPE_CHECKING:
    import pandas as pd

AIMS = {"coverage": 0.93, "false_alarms": 0.05, "detectable_difference": 0.02}
"""What gradbench wants on a quiet machine: at least, at most, at most."""


def calibration_table(rows: pd.DataFrame) -> Table:
    """Draw what a calibration says of the stated method, a row for each load.

    Args:
        rows: Rows of ``calibrations``.

    Returns:
        The table.
    """
    first = rows.iloc[0]
    title = f"{first['model']} · {first['rule']} · {first['device']}: {first['seconds']:g} s a run"
    table = Table(title=title, title_justify="left", pad_edge=False)
    for heading in ("load", "re-runs", "coverage", "false alarms", "found", "± 95 %", "spread"):
        table.add_column(heading, justify="left" if heading == "load" else "right", no_wrap=True)
    for row in rows[rows["stated"].astype(bool)].to_dict("records"):
        table.add_row(
            load_of(row),
            str(row["runs"]),
            _share(row, "coverage"),
            _share(row, "false_alarms"),
            _found(row["detectable_difference"]),
            percent(row["half_width"]),
            percent(row["spread"]),
        )
    return table


def calibration_lines(calibrations: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """Say beside speedups how far their intervals are to be trusted.

    Args:
        calibrations: Rows of :func:`gradbench.results.latest.latest_calibrations`.
        cells: Rows of ``cells``, whose hosts and devices count.

    Returns:
        A line for each host, device and load; one that says how to get them where there is none.
    """
    measured = cells[cells["speedup"].notna()][["host", "device"]].drop_duplicates()
    lines = []
    for host, device in measured.itertuples(index=False):
        mine = calibrations[(calibrations["host"] == host) & (calibrations["device"] == device)]
        lines += [_line(row) for row in mine.to_dict("records")]
        if mine.empty:
            option = "" if device == "cpu" else f" device={device}"
            lines.append(
                f"intervals on {host}, {device}: not calibrated: run "
                f"python -m gradbench calibrate{option}"
            )
    return lines


def _line(row: dict[Any, Any]) -> str:
    found = row["detectable_difference"]
    difference = f"{percent(found)} found" if _known(found) else "no planted difference found"
    return (
        f"intervals on {row['host']}, {row['device']}, {load_of(row)}: "
        f"{percent(row['coverage'])} of {row['intervals']} held in {row['runs']} re-runs, "
        f"{percent(row['false_alarms'])} false alarms, {difference} in {row['seconds']:g} s "
        f"({row['model']} · {row['rule']}, {row['recorded_at'][:10]})"
    )


def load_name(hogs: int) -> str:
    """Name a load for people."""
    return "quiet" if hogs == 0 else f"{hogs} busy process{'es' if hogs > 1 else ''}"


def load_of(row: Any) -> str:
    """Name a calibration's load for people, and say where it was not what it was to be."""
    return "quiet, but others kept it busy" if disturbed(row) else load_name(row["hogs"])


def disturbed(row: Any) -> bool:
    """Say whether others kept the machine busy in most of the re-runs that were to be quiet."""
    return bool(row["hogs"] == 0 and _known(row["contended"]) and row["contended"] > 0.5)


def percent(value: float | None) -> str:
    """Format a share with two significant figures; a dash where unknown."""
    if not _known(value) or value is None:
        return "–"
    if math.isinf(value):
        return "∞"
    figure = 100 * value
    if 0 < abs(figure) < 0.01:
        return f"{figure:.0e} %"
    digits = max(0, 1 - math.floor(math.log10(abs(figure)))) if figure else 0
    return f"{figure:.{min(digits, 2)}f} %" if abs(figure) < 99.5 else f"{figure:.0f} %"


def _known(value: Any) -> bool:
    return value is not None and not math.isnan(value)


def _share(row: dict[Any, Any], name: str) -> str:
    if not _known(row[name]):
        return "–"
    low, high = percent(row[f"{name}_low"]), percent(row[f"{name}_high"])
    return f"{percent(row[name])} ({low.removesuffix(' %')} – {high})"


def _found(value: float | None) -> str:
    return percent(value) if _known(value) else "none"


# --- The page -------------------------------------------------------------------------------------


def calibration_page(rows: pd.DataFrame, planted: pd.DataFrame) -> str:
    """Write the page of a calibration in Markdown.

    Args:
        rows: Rows of ``calibrations``.
        planted: Rows of ``planted_work``.

    Returns:
        The page.
    """
    sections = [
        "# Do the intervals hold?",
        "Written by `python -m gradbench.report.calibration`, from rows that "
        "`python -m gradbench calibrate` stored; every figure below is measured.",
    ]
    for _, mine in rows.groupby(["run", "host", "device", "model", "rule", "seconds"], sort=False):
        here = planted[(planted["run"] == mine["run"].iloc[0])]
        sections += _section(mine, here[here["host"] == mine["host"].iloc[0]])
    return "\n\n".join(sections) + "\n"


def _section(rows: pd.DataFrame, planted: pd.DataFrame) -> list[str]:
    first = rows.iloc[0]
    where = f"{first['host']}, {first['device_name'] or first['device']}"
    threads = first["threads"]
    thread_note = "" if not _known(threads) else f", {int(threads)} threads"
    parts = [
        f"## {first['model']} · {first['rule']} · {first['device']}",
        f"{where}, torch {first['torch_version']}, {first['dtype']}{thread_note}, "
        f"{first['recorded_at'][:10]}. Each re-run is a fresh process that samples for "
        f"{first['seconds']:g} s.",
        "### What gradbench states",
        _stated(rows),
        "**Coverage**: how many stated 95 % intervals of a speedup hold the median of all re-runs' "
        "estimates of it. **False alarms**: how many intervals of cells identical to the baseline "
        "leave out 1; beyond noise, how many lie wholly beyond the block's noise floor. "
        "**Found**: the smallest planted slowdown that at least four of five re-runs find, "
        "as they do all larger ones. In brackets exact binomial intervals, as if the cells of a "
        "re-run were independent; they share the baseline, so that the truth is wider.",
        "The aims, on a quiet machine: coverage 93 % or more, false alarms 5 % or fewer, 2 % found "
        f"in 20 s. {_verdict(rows)}",
    ]
    if len(planted):
        parts += ["### What was planted", _planted(planted)]
    for hogs, mine in rows.groupby("hogs", sort=True):
        name = load_name(int(str(hogs)))
        parts += [f"### Candidates, {name}", _candidates(mine)]
    parts.append(
        "Every candidate is judged on the same samples. *± 95 %* is the median relative "
        "half-width of an interval, *spread* the standard deviation over re-runs of the log ratio "
        "(median of the cells), *bias* the mean log ratio of identical cells. **Bold** is what "
        "gradbench states."
    )
    return parts


def _verdict(rows: pd.DataFrame) -> str:
    """Say whether the aims are met."""
    quiet = rows[rows["stated"].astype(bool) & (rows["hogs"] == 0)]
    if quiet.empty:
        return "This calibration has no quiet re-runs."
    row = quiet.iloc[0]
    if disturbed(row):
        return (
            f"Here others kept the machine busy in {percent(row['contended'])} of the re-runs "
            "called quiet, beside which none was begun: they say nothing of a quiet machine."
        )
    found = row["detectable_difference"]
    met = {
        "coverage": row["coverage"] >= AIMS["coverage"],
        "false alarms": row["false_alarms"] <= AIMS["false_alarms"],
        "difference found": _known(found)
        and found <= AIMS["detectable_difference"]
        and row["seconds"] <= 20,
    }
    return "Here: " + ", ".join(f"{k} {'met' if v else 'missed'}" for k, v in met.items()) + "."


def _stated(rows: pd.DataFrame) -> str:
    lines = [
        "| load | re-runs | coverage | false alarms | beyond noise | found | found beyond noise "
        "| ± 95 % | spread | contended |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows[rows["stated"].astype(bool)].to_dict("records"):
        cells = (
            load_name(row["hogs"]),
            row["runs"],
            _share(row, "coverage"),
            _share(row, "false_alarms"),
            percent(row["false_alarms_beyond_noise"]),
            _found(row["detectable_difference"]),
            _found(row["detectable_beyond_noise"]),
            percent(row["half_width"]),
            percent(row["spread"]),
            percent(row["contended"]),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _planted(planted: pd.DataFrame) -> str:
    lines = ["| strategy | tensors updated twice | slower by |", "|---|--:|--:|"]
    for row in planted.to_dict("records"):
        lines.append(
            f"| `{row['strategy']}` | {percent(row['fraction'])} | {percent(row['difference'])} |"
        )
    return "\n".join(lines) + (
        "\n\nThe size is measured apart from what is to find it: the planted work and the "
        "baseline each alone, the fastest of many samples, median of five allocations."
    )


def _candidates(rows: pd.DataFrame) -> str:
    lines = [
        "| estimator | interval | stops at | replicates | coverage | false alarms | found "
        "| ± 95 % | spread | bias |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows.to_dict("records"):
        bold = "**" if row["stated"] else ""
        cells = (
            f"{bold}{row['estimator']}{bold}",
            row["interval"],
            row["stopping"],
            f"{row['replicates']:.1f}",
            percent(row["coverage"]),
            percent(row["false_alarms"]),
            _found(row["detectable_difference"]),
            percent(row["half_width"]),
            percent(row["spread"]),
            percent(row["bias"]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    paths: Annotated[list[Path], typer.Argument(help="Folders of results.")],
) -> None:
    """Write the page of stored calibrations."""
    import pandas as pd

    for path in paths:
        if not path.exists():
            typer.echo(f"no such folder: {path}", err=True)
            raise typer.Exit(2)
    rows = pd.concat([load(path, CALIBRATION) for path in paths], ignore_index=True)
    if rows.empty:
        typer.echo(f"no calibrations below {', '.join(map(str, paths))}", err=True)
        raise typer.Exit(2)
    planted = pd.concat([load(path, PLANTED_WORK) for path in paths], ignore_index=True)
    sys.stdout.write(calibration_page(rows, planted))


if __name__ == "__main__":
    typer.run(main)
