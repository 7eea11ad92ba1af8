"""The cost model's figures, by device, rule and strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradbench.report import text
from gradbench.report.tables.table import ReportTable

if TYPE_CHECKING:
    from gradbench.report.content import Content


def draw(content: Content) -> list[ReportTable]:
    """Draw the fits.

    Args:
        content: What the report shows.

    Returns:
        One table; none where there were too few models to fit.
    """
    import pandas as pd

    fits = content.cost_models
    if fits.empty:
        return []
    shown = pd.DataFrame(
        {
            "device": fits["device_label"],
            "rule": fits["rule"],
            "strategy": fits["strategy"],
            "start": fits["start_s"].map(text.seconds),
            "per tensor": fits["tensor_s"].map(text.seconds),
            "per GB": (fits["byte_s"] * 1e9).map(text.seconds),
            "models": fits["models"].map(text.count),
            "off by": fits["error"].map(text.percent),
        }
    )
    return [
        ReportTable(
            "cost_models",
            "Cost model",
            shown,
            fits.rename(columns={"device_label": "device"}),
            "seconds = start + tensors · per tensor + bytes · per byte, fitted over models by "
            "non-negative least squares on relative errors; off by is the median departure of the "
            "fitted times, so a large one says that this is not how the strategy behaves.",
            ("start", "per tensor", "per GB", "models", "off by"),
            None,
            {"device": "device", "rule": "rule", "strategy": "strategy"},
        )
    ]
