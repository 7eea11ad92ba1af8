"""What each zeroing makes of the training step, in time and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.tables.table import ReportTable
from gradbench.terminal import figures as text
from gradbench.terminal.steps import step_gain, step_text
from gradbench.terminal.zeroings import DEFAULT, PHASES, zeroing_costs

if TYPE_CHECKING:
    from gradbench.report.content import Content

_FIGURES = (
    *("step_s", "step_s_low", "step_s_high", "step_samples"),
    *("step_speedup", "step_speedup_low", "step_speedup_high", "step_noise_floor"),
    *("zeroing_verdict", *PHASES, "step_peak_extra_bytes"),
)


def draw(content: Content) -> list[ReportTable]:
    """Draw the baseline's zeroings, those that make its step faster first.

    Args:
        content: What the report shows.

    Returns:
        One table; none where no block measured several zeroings.
    """
    import pandas as pd

    costs = zeroing_costs(content.cells, content.margin)
    if costs.empty:
        return []
    costs = costs.assign(where=costs["panel"] + " · " + costs["rule"])
    costs = costs.sort_values(["where", "run", "host", "block"], kind="stable")
    rows = costs.to_dict("records")
    shown = pd.DataFrame(
        {
            "block": costs["where"],
            "model": costs["model_label"],
            "rule": costs["rule"],
            "zeroing": costs["zeroing"],
            "whole step": [step_text(row) for row in rows],
            "beside the default": [_beside(row, content.margin) for row in rows],
            **{
                heading: costs[phase].map(text.seconds)
                for heading, phase in zip(("zero", "backward", "update"), PHASES, strict=True)
            },
            "peak memory": costs["step_peak_extra_bytes"].map(text.size),
        }
    )
    right = ["whole step", "zero", "backward", "update", "peak memory"]
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
            "With the baseline's strategy. A zeroing moves cost into other phases: setting to None "
            "makes the next backward allocate, keeping the memory makes it add, so it is judged by "
            "the whole step, beside the step with the default zeroing: that one's time over this "
            "one's, the 95 % interval, the verdict. Fewer than six clean steps are no figure. "
            "Zero, backward and update, which explain it, are medians of other steps, timed phase "
            "by phase; the peak is what a step allocates beyond parameters and state, gradients "
            "kept from the step before included.",
            tuple(right),
            "block",
            {"model": "model", "rule": "rule", "zeroing": "zeroing"},
        )
    ]


def _beside(row: dict[Any, Any], margin: float) -> str:
    """Say what a zeroing is beside the default."""
    return DEFAULT if row["zeroing_verdict"] == DEFAULT else step_gain(row, margin) or text.UNKNOWN
