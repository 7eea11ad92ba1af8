"""What each zeroing costs: alone, and in a training step with what it moves elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradbench.report import text
from gradbench.report.blocks import measured
from gradbench.report.difference import known
from gradbench.report.tables.table import ReportTable

if TYPE_CHECKING:
    from gradbench.report.content import Content

_FIGURES = ("zero_s", "training_zero_s", "backward_s", "step_s", "peak_extra_bytes")


def draw(content: Content) -> list[ReportTable]:
    """Draw the baseline's zeroings, fastest zeroing and backward together first.

    Args:
        content: What the report shows.

    Returns:
        One table; none where fewer than two zeroings were measured.
    """
    import pandas as pd

    cells = measured(content.cells)
    cells = cells[cells["zero_s"].map(known).astype(bool) & cells["baseline_strategy"]]
    if cells["zeroing"].nunique() < 2:
        return []
    cells = cells.assign(
        together=cells["training_zero_s"].fillna(cells["zero_s"]) + cells["backward_s"],
        where=cells["device_label"] + " · " + cells["model_label"] + " · " + cells["rule"],
    ).sort_values(["where", "together"], na_position="last")
    shown = pd.DataFrame(
        {
            "block": cells["where"],
            "device": cells["device_label"],
            "model": cells["model_label"],
            "rule": cells["rule"],
            "zeroing": cells["zeroing"],
            "zeroing alone": [
                f"{text.seconds(row['zero_s'])}\n"
                + text.seconds_interval(row["zero_s_low"], row["zero_s_high"])
                for row in cells.to_dict("records")
            ],
            "zeroing in a step": cells["training_zero_s"].map(text.seconds),
            "backward": cells["backward_s"].map(text.seconds),
            "both": cells["together"].map(text.seconds),
            "whole step": cells["step_s"].map(text.seconds),
        }
    )
    data = cells[["device_label", "model_label", "rule", "strategy", "zeroing", *_FIGURES]]
    return [
        ReportTable(
            "zeroings",
            "What zeroing costs",
            shown.drop(columns="device"),
            data.rename(columns={"device_label": "device", "model_label": "model"}),
            "With the baseline strategy, cheapest zeroing and backward together first. Times "
            "within a training step are medians without an interval.",
            ("zeroing alone", "zeroing in a step", "backward", "both", "whole step"),
            "block",
            {"model": "model", "rule": "rule", "zeroing": "zeroing"},
        )
    ]
