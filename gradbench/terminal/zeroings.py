"""What each zeroing costs a training step, all that it moves into other phases included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from gradbench.results.question import blocks_in_order
from gradbench.results.status import TIMED
from gradbench.terminal.figures import format_seconds, size
from gradbench.terminal.summary import heading_of, told_by

if TYPE_CHECKING:
    import pandas as pd

PHASES = ("training_zero_s", "backward_s", "training_update_s")
"""What a zeroing costs lies in these phases."""


def zeroing_costs(cells: pd.DataFrame) -> pd.DataFrame:
    """Add up, for each zeroing of a block, what the step pays for it.

    A zeroing that sets to None makes the next backward allocate, one that keeps the memory makes
    it add, and a gradient in place spares some updates a copy: only zero + backward + update, and
    the peak memory of the same step, say which is cheaper.

    Args:
        cells: Rows of ``cells``.

    Returns:
        Right, trained cells with their baseline's strategy, of blocks with several zeroings, and
        the added column ``zero_backward_update_s``; fastest first within a block.
    """
    names = ["run", "host", "block"]
    baselines = cells[cells["role"] == "baseline"].drop_duplicates(names)
    baselines = baselines[[*names, "strategy"]].rename(columns={"strategy": "baseline"})
    joined = cells.merge(baselines, "inner", on=names)
    shown = joined[
        joined["role"].isin(["baseline", "candidate"])
        & joined["status"].isin(TIMED)
        & (joined["strategy"] == joined["baseline"])
        & joined[list(PHASES)].notna().all(axis=1)
    ]
    several = shown.groupby(names)["zeroing"].transform("nunique") > 1
    shown = shown[several]
    together = shown[list(PHASES)].astype(float).sum(axis=1)
    shown = shown.assign(zero_backward_update_s=together)
    order = ["device", "device_name", "model", "rule", *names, "zero_backward_update_s"]
    return shown.sort_values(order).reset_index(drop=True)


def zeroing_tables(cells: pd.DataFrame) -> list[Table]:
    """Draw the zeroings of each device: time and memory of the same training step.

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
            caption="zero + backward + update: their medians in training steps with the baseline's "
            "strategy; peak: memory of such a step, forward to zeroing, beyond parameters and "
            "state, gradients kept from the step before included",
            caption_justify="left",
        )
        table.add_column("model · rule")
        table.add_column("zeroing", no_wrap=True)
        for heading in ("zero", "backward", "update", "together", "peak"):
            table.add_column(heading, justify="right", no_wrap=True)
        told = told_by(rows)
        for block in blocks_in_order(rows):
            heading = heading_of(block, told)
            for row in block.to_dict("records"):
                default = " (default)" if row["role"] == "baseline" else ""
                peak = row["step_peak_extra_bytes"]
                table.add_row(
                    heading,
                    f"{row['zeroing']}{default}",
                    *(format_seconds(row[phase]) for phase in PHASES),
                    format_seconds(row["zero_backward_update_s"]),
                    "" if peak != peak or peak is None else size(peak),
                )
                heading = ""
            table.add_section()
        tables.append(table)
    return tables
