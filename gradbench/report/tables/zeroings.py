"""What each zeroing costs a training step, in time and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.tables.table import ReportTable
from gradbench.terminal import figures as text
from gradbench.terminal.zeroings import PHASES, zeroing_costs

if TYPE_CHECKING:
    from gradbench.report.content import Content

_FIGURES = (*PHASES, "zero_backward_update_s", "step_peak_extra_bytes", "step_s")


def draw(content: Content) -> list[ReportTable]:
    """Draw the baseline's zeroings, the cheapest step first.

    Args:
        content: What the report shows.

    Returns:
        One table; none where no block measured several zeroings.
    """
    import pandas as pd

    costs = zeroing_costs(content.cells)
    if costs.empty:
        return []
    costs = costs.assign(where=costs["panel"] + " · " + costs["rule"])
    costs = costs.sort_values(["where", "run", "host", "block", "zero_backward_update_s"])
    shown = pd.DataFrame(
        {
            "block": costs["where"],
            "model": costs["model_label"],
            "rule": costs["rule"],
            "zeroing": [_named(row) for row in costs.to_dict("records")],
            **{
                heading: costs[phase].map(text.seconds)
                for heading, phase in zip(("zero", "backward", "update"), PHASES, strict=True)
            },
            "together": costs["zero_backward_update_s"].map(text.seconds),
            "peak memory": costs["step_peak_extra_bytes"].map(text.size),
            "whole step": costs["step_s"].map(text.seconds),
        }
    )
    right = ["zero", "backward", "update", "together", "peak memory", "whole step"]
    if not costs["step_peak_extra_bytes"].notna().any():  # files from before it was counted
        shown, right = shown.drop(columns="peak memory"), [r for r in right if r != "peak memory"]
    names = ["device_label", "model_label", "rule", "strategy", "zeroing", "role"]
    return [
        ReportTable(
            "zeroings",
            "What zeroing costs",
            shown,
            costs[[*names, *_FIGURES]].rename(
                columns={"device_label": "device", "model_label": "model"}
            ),
            "With the baseline's strategy, cheapest first. A zeroing moves cost into other phases: "
            "setting to None makes the next backward allocate, keeping the memory makes it add, so "
            "only zero + backward + update together, and the peak memory of the same step, say "
            "which is cheaper. Times are medians in training steps, without an interval; the peak "
            "is what a step allocates beyond parameters and state, gradients kept from the step "
            "before included.",
            tuple(right),
            "block",
            {"model": "model", "rule": "rule", "zeroing": "zeroing"},
        )
    ]


def _named(row: dict[Any, Any]) -> str:
    return f"{row['zeroing']}\ndefault" if row["role"] == "baseline" else str(row["zeroing"])
