"""What each zeroing makes of the whole training step, and the phases that explain it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from gradbench.results.question import blocks_in_order
from gradbench.results.status import TIMED
from gradbench.statistics.verdicts import MARGIN, known
from gradbench.terminal.figures import seconds, size
from gradbench.terminal.steps import step_gain, step_text, step_verdict
from gradbench.terminal.summary import heading_of, told_by

if TYPE_CHECKING:
    import pandas as pd

PHASES = ("training_zero_s", "backward_s", "training_update_s")
"""What a zeroing costs lies in these phases."""

DEFAULT = "default"

_ORDER = ("faster", DEFAULT, "same", "unclear", "slower", "")


def zeroing_costs(cells: pd.DataFrame, margin: float = MARGIN) -> pd.DataFrame:
    """Judge each zeroing of a block by the whole step of the baseline's strategy.

    A zeroing that sets to None makes the next backward allocate, one that keeps the memory makes
    it add, and a gradient in place spares some updates a copy: only the whole step says which
    costs less. Its verdict is that of the paired speedup over the step with the default zeroing.

    Args:
        cells: Rows of ``cells``.
        margin: Smallest relative difference of two times that matters.

    Returns:
        Right, trained cells with their baseline's strategy, of blocks with several zeroings, and
        the added column ``zeroing_verdict``: ``default``, a verdict, or empty where there is no
        figure. Within a block faster ones first, then the default, same, unclear, slower.
    """
    names = ["run", "host", "block"]
    baselines = cells[cells["role"] == "baseline"].drop_duplicates(names)
    baselines = baselines[[*names, "strategy"]].rename(columns={"strategy": "baseline"})
    joined = cells.merge(baselines, "inner", on=names)
    shown = joined[
        joined["role"].isin(["baseline", "candidate"])
        & joined["status"].isin(TIMED)
        & (joined["strategy"] == joined["baseline"])
        & joined[["step_samples", "step_s", *PHASES]].notna().any(axis=1)
    ]
    several = shown.groupby(names)["zeroing"].transform("nunique") > 1
    shown = shown[several]
    rows = shown.to_dict("records")
    verdicts = [DEFAULT if r["role"] == "baseline" else step_verdict(r, margin) or "" for r in rows]
    shown = shown.assign(
        zeroing_verdict=verdicts,
        place=[_ORDER.index(verdict) for verdict in verdicts],
        fastest=-shown["step_speedup"].astype(float),
    )
    order = ["device", "device_name", "model", "rule", *names, "place", "fastest", "zeroing"]
    return shown.sort_values(order).drop(columns=["place", "fastest"]).reset_index(drop=True)


def zeroing_tables(cells: pd.DataFrame) -> list[Table]:
    """Draw the zeroings of each device: the whole step, its phases and its memory.

    Args:
        cells: Rows of ``cells``.

    Returns:
        A table for each device; none where no block measured several zeroings.
    """
    tables = []
    costs = zeroing_costs(cells)
    for (device, name), rows in costs.groupby(["device", "device_name"], dropna=False):
        hardware = f" · {name}" if isinstance(name, str) else ""
        table = Table(
            title=f"zeroing · {device}{hardware}",
            title_justify="left",
            pad_edge=False,
            caption="step: whole training steps with the baseline's strategy; beside the default: "
            "the default zeroing's step over it, 95 % interval, verdict; zero, backward, update: "
            "medians of other steps, timed phase by phase; peak: memory of a step, forward to "
            "zeroing, beyond parameters and state, gradients kept from the step before included",
            caption_justify="left",
        )
        table.add_column("model · rule", min_width=16)
        table.add_column("zeroing", no_wrap=True)
        for heading in ("step", "beside the default", "zero", "backward", "update", "peak"):
            table.add_column(heading, justify="right", no_wrap=True)
        told = told_by(rows)
        for block in blocks_in_order(rows):
            heading = heading_of(block, told)
            for row in block.to_dict("records"):
                peak = row["step_peak_extra_bytes"]
                table.add_row(
                    heading,
                    row["zeroing"],
                    step_text(row).removeprefix("no figure: "),
                    DEFAULT if row["zeroing_verdict"] == DEFAULT else step_gain(row),
                    *(seconds(row[phase]) if known(row[phase]) else "" for phase in PHASES),
                    size(peak) if known(peak) else "",
                )
                heading = ""
            table.add_section()
        tables.append(table)
    return tables
