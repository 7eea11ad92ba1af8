"""The table at the end of a command: one per device, straight from ``cells``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from gradbench.results.question import BLOCK, blocks_in_order
from gradbench.results.status import APPROXIMATE, TIMED, why_contended
from gradbench.statistics.choice import update_verdict
from gradbench.statistics.verdicts import MARGIN, known
from gradbench.terminal import figures
from gradbench.terminal.figures import percent, threads
from gradbench.terminal.steps import step_speedup, step_text, step_verdict

if TYPE_CHECKING:
    import pandas as pd


_SAID: dict[str, Callable[[Any], str]] = {
    "dtype": str,
    "threads": threads,
    "cache": "{} cache".format,
    "host": str,
    "torch_version": "torch {}".format,
    "gradbench_version": "gradbench {}".format,
    "run": "run {}".format,
}
"""What blocks are told apart by, where a table shows several, and how it is said."""

_ALWAYS = ("model", "rule", "options")
"""What a block is called by in any case."""


def summary_tables(cells: pd.DataFrame) -> list[Table]:
    """Draw a table for each device: every strategy of every block, with the default zeroing.

    Args:
        cells: Rows of ``cells``.

    Returns:
        Tables in order of the devices; none where nothing was measured.
    """
    tables = []
    measured = cells[cells["status"].isin([*TIMED, "wrong", "failed"])]
    for (device, name), rows in measured.groupby(["device", "device_name"], dropna=False):
        hardware = f" · {name}" if isinstance(name, str) else ""
        table = Table(
            title=f"{device}{hardware}",
            title_justify="left",
            pad_edge=False,
            caption=_caption(rows),
            caption_justify="left",
        )
        for heading, side in (
            ("model · rule", "left"),
            ("strategy", "left"),
            ("update", "right"),
            ("± 95 %", "right"),
            ("speedup", "right"),
            ("interval", "right"),
            ("verdict", "left"),
            ("step", "right"),
        ):
            wraps = heading == "model · rule"  # it gives way, lest figures are cut
            table.add_column(heading, justify=side, no_wrap=not wraps)  # type: ignore[arg-type]
        told = told_by(rows)
        for block in blocks_in_order(rows):
            _add_block(table, block, heading_of(block, told))
            table.add_section()
        tables.append(table)
    return tables


def told_by(rows: pd.DataFrame) -> list[str]:
    """Name the columns that a table's blocks are told apart by, beside model and rule.

    Args:
        rows: Rows of ``cells`` that the table shows.

    Returns:
        Those of several values; with the run, where blocks would be called the same otherwise.
    """
    told = [column for column in _SAID if column != "run" and rows[column].nunique() > 1]
    blocks = rows.drop_duplicates(list(BLOCK))
    return [*told, *(["run"] if blocks.duplicated([*_ALWAYS, *told]).any() else [])]


def heading_of(block: pd.DataFrame, told: Sequence[str]) -> str:
    """Name a block in a table.

    Args:
        block: Its rows of ``cells``.
        told: Columns that blocks are told apart by.

    Returns:
        Such as ``mlp_small · sgd · model.width=64 · 2 threads``.
    """
    first = block.iloc[0]
    parts = [first[column] for column in _ALWAYS if isinstance(first[column], str)]
    if first["cache"] == "cold" and "cache" not in told:
        parts.append("cold cache")
    parts += [_SAID[column](first[column]) for column in told]
    return " · ".join(filter(None, map(str, parts)))


def _add_block(table: Table, block: pd.DataFrame, heading: str) -> None:
    """Add a block's strategies, fastest first: exact, approximate, then wrong and unranked."""
    baseline = block[block["role"] == "baseline"]
    zeroing = baseline["zeroing"].iloc[0] if len(baseline) else block["zeroing"].iloc[0]
    shown = block[block["role"].isin(["baseline", "candidate"]) & (block["zeroing"] == zeroing)]
    places = {status: place for place, status in enumerate(TIMED)}
    shown = shown.assign(place=shown["status"].map(places).fillna(len(places)))
    shown = shown.sort_values(["place", "update_s"], na_position="last")
    heading += " · contended" if any(map(why_contended, shown.to_dict("records"))) else ""
    for row in shown.to_dict("records"):
        table.add_row(heading, *_figures(row))
        heading = ""


_STYLES = {"faster": "bold", "slower": "", "same": "dim", "unclear": "dim"}


def _figures(row: dict[Any, Any]) -> list[str | Text]:
    """Format one cell; what the baseline cannot be told from is dimmed."""
    strategy = f"{row['strategy']} (baseline)" if row["role"] == "baseline" else row["strategy"]
    if row["status"] == APPROXIMATE:
        strategy = f"≈ {strategy}"
    elif row["status"] != "ok":
        return [strategy, Text(row["status"], style="bold red")]
    if not known(row["update_s"]):
        return [strategy, "", "", "", "", "", _step(row)]
    half = figures.half_width(row["update_s_low"], row["update_s_high"])
    return [
        strategy,
        figures.seconds(row["update_s"], half),
        "" if half is None else f"{100 * half:.2g} %" if half < 1 else "> 100 %",
        *_beside_baseline(row),
        _step(row),
    ]


def _beside_baseline(row: dict[Any, Any]) -> list[str | Text]:
    """Format a speedup, its interval and its verdict; the baseline has the noise floor there."""
    floor, speedup = row["noise_floor"], row["speedup"]
    if row["role"] == "baseline":
        noise = percent(floor) if not known(floor) or floor < 10 else "> 1000 %"
        return ["1", f"noise {noise}", "baseline"]
    if not known(speedup):  # of a baseline that was lost
        return ["", "", ""]
    low, high = row["speedup_low"], row["speedup_high"]
    found = update_verdict(row)
    ratio = figures.ratio(speedup, figures.half_width(low, high)).removesuffix("×")
    style = _STYLES[found]
    return [Text(ratio, style=style), figures.ratio_interval(low, high), Text(found, style=style)]


def _step(row: dict[Any, Any]) -> Text:
    """Format a whole step with its speedup, dimmed unless it is one."""
    told = step_text(row)
    found = step_verdict(row)
    if found is None or row["role"] == "baseline":
        return Text(told.removeprefix("no figure: "), style="dim" if told.startswith("no") else "")
    style = "" if found in ("faster", "slower") else "dim"
    return Text(f"{told} · {step_speedup(row)}", style=style)


def _caption(rows: pd.DataFrame) -> str:
    """Say what the verdicts mean, and why blocks are contended."""
    seen = {
        f"{row['model']} · {row['rule']}: {why}": None
        for row in rows.to_dict("records")
        if (why := why_contended(row))
    }
    said = (
        f"same: within {100 * MARGIN:g} % of the baseline's update; faster, slower: beyond that "
        "and the noise; unclear: neither is certain"
    )
    return "\n".join([said, *(f"contended: {line}: measure again" for line in seen)])


def status_lines(cells: pd.DataFrame) -> list[str]:
    """Count the cells asked for by status, with the reasons of those that are not ok.

    Args:
        cells: Rows of ``cells``.

    Returns:
        A line for each status, and one for each reason, the most frequent first; then one for each
        model of which parameters are left out.
    """
    asked = cells[cells["role"].isin(["baseline", "candidate"])]
    lines = []
    for status in (*TIMED, "wrong", "failed", "skipped"):
        rows = asked[asked["status"] == status]
        if len(rows):
            lines.append(f"{len(rows)} {status}")
            counted = rows["reason"].dropna().value_counts()
            lines += [f"  {count} × {reason}" for reason, count in counted.items()]
    for model, untrained in asked.groupby("model")["untrained"].max().items():
        if untrained > 0:
            lines.append(f"{model}: {untrained:.0f} tensors never get a gradient and are left out")
    return lines
