"""Cells whose gradients are missing, not numbers, or not those of a float64 run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradbench.report.blocks import measured
from gradbench.report.tables.table import ReportTable
from gradbench.results.status import TIMED
from gradbench.terminal import figures as text

if TYPE_CHECKING:
    from gradbench.report.content import Content

_KEYS = ["run", "host", "block", "cell"]


def draw(content: Content) -> list[ReportTable]:
    """Draw the cells by model and rule, the largest departure first.

    Args:
        content: What the report shows.

    Returns:
        One table; none where no gradients were recorded.
    """
    import pandas as pd

    steps = content.gradients
    if steps.empty or content.cells.empty:
        return []
    summed = steps.groupby(_KEYS, as_index=False).agg(
        steps=("step", "nunique"),
        tensors=("tensors", "max"),
        missing=("missing", "sum"),
        nan_count=("nan_count", "sum"),
        inf_count=("inf_count", "sum"),
        relative_error=("relative_error", "max"),
        cosine=("cosine", "min"),
    )
    cells = measured(content.cells, (*TIMED, "wrong"))
    joined = cells[
        [*_KEYS, "device_label", "model_label", "rule", "strategy", "zeroing", "dtype"]
    ].merge(summed, on=_KEYS, how="inner")
    if joined.empty:
        return []
    by = ["device_label", "model_label", "rule", "dtype", "zeroing"]
    ordered = joined.sort_values("relative_error", ascending=False)
    worst = ordered.drop_duplicates(by).sort_values(by)
    counted = joined.groupby(by).agg(cells=("cell", "count"))
    worst = worst.merge(counted, on=by)
    shown = pd.DataFrame(
        {
            "device": worst["device_label"],
            "model": worst["model_label"],
            "rule": worst["rule"],
            "zeroing": worst["zeroing"],
            "cells": worst["cells"].map(text.count),
            "steps": worst["steps"].map(text.count),
            "tensors": worst["tensors"].map(text.count),
            "None": worst["missing"].map(text.count),
            "NaN": worst["nan_count"].map(text.count),
            "infinite": worst["inf_count"].map(text.count),
            "largest error": worst["relative_error"].map(text.number),
            "of strategy": worst["strategy"],
        }
    )
    right = ("cells", "steps", "tensors", "None", "NaN", "infinite", "largest error")
    return [
        ReportTable(
            "gradients",
            "Gradients beside those of a float64 run",
            shown,
            joined.rename(columns={"device_label": "device", "model_label": "model"}),
            "Of all strategies with a zeroing, the one whose gradients depart most: the norm of "
            "the difference over the norm, of the worst tensor at any step.",
            right,
            None,
            {name: name for name in ("device", "model", "rule", "zeroing")},
        )
    ]
