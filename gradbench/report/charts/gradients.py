"""Gradients over training steps: their norm, and how much of them is zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from gradbench.report.blocks import measured
from gradbench.report.charts.figure import (
    BASELINE,
    COLORS,
    EVERY_ZEROING,
    Figure,
    facet,
    records,
    tooltip,
)
from gradbench.results.status import TIMED
from gradbench.terminal import figures as text

if TYPE_CHECKING:
    from gradbench.report.content import Content

MOST_ROWS = 12_000
"""Rows that a page carries; beyond, steps are thinned evenly."""

_FILTERS = ("device", "model", "rule", "strategy", "zeroing")


def draw_norm(content: Content) -> Figure | None:
    """Draw the norm of all gradients over steps.

    Args:
        content: What the report shows.

    Returns:
        A panel per model and rule; None where no gradients were recorded.
    """
    frame = _frame(content)
    if frame.empty:
        return None
    chart = _lines(frame, "norm", alt.Scale(type="symlog", constant=1e-6, zero=False), text.number)
    return Figure(
        "gradient_norm",
        "Norm of the gradients over steps",
        "Euclidean norm of all gradients together after backward, by zeroing; without a chosen "
        "strategy, the baseline's. The tooltip gives the middle half over the model's tensors. "
        "Where gradients accumulate, the norm grows from step to step.",
        chart,
        210,
        _FILTERS,
    )


def draw_zeros(content: Content) -> Figure | None:
    """Draw the share of gradient elements that are zero over steps.

    Args:
        content: What the report shows.

    Returns:
        A panel per model and rule; None where no gradients were recorded.
    """
    frame = _frame(content)
    if frame.empty:
        return None
    chart = _lines(frame, "zero_fraction", alt.Scale(domain=[0, 1]), text.percent)
    return Figure(
        "gradient_zeros",
        "Zeros in the gradients over steps",
        "Share of all gradient elements that are exactly zero: dead units, unused rows of an "
        "embedding, underflow. The tooltip gives the extremes over the model's tensors.",
        chart,
        210,
        _FILTERS,
    )


def _lines(
    frame: pd.DataFrame, figure: str, scale: alt.Scale, describe: Callable[[object], str]
) -> alt.FacetChart:
    low, high = {
        "norm": ("norm_quarter", "norm_three_quarters"),
        "zero_fraction": ("zero_fraction_least", "zero_fraction_most"),
    }[figure]
    shown = frame.assign(
        shown_text=frame[figure].map(describe),
        spread_text=[
            f"{describe(a)} to {describe(b)}" for a, b in zip(frame[low], frame[high], strict=True)
        ],
    )
    place = alt.Chart().encode(
        x=alt.X(
            "step:Q",
            title="step",
            axis=alt.Axis(tickCount=5, labelExpr="datum.value % 1 ? '' : datum.label"),
            scale=alt.Scale(nice=False, padding=6),
        ),
        y=alt.Y(f"{figure}:Q", title=None, scale=scale, axis=alt.Axis(tickCount=4)),
        color=alt.Color("zeroing:N", title="zeroing", scale=alt.Scale(range=COLORS)),
    )
    marks = place.mark_line(strokeWidth=1.5, opacity=0.8) + place.mark_point(
        filled=True, size=34, opacity=0.9
    ).encode(
        tooltip=tooltip(
            model="model",
            rule="rule",
            strategy="strategy",
            zeroing="zeroing",
            device="device",
            step="step",
            shown_text="all tensors",
            spread_text="over tensors",
            tensors_text="counted",
            odd="also",
        )
    )
    columns = [*CHART_COLUMNS, figure, low, high, "shown_text", "spread_text"]
    chart = facet(
        marks.properties(width=200, height=110),
        shown[columns],
        "panel",
        _FILTERS,
        4,
        strategy=BASELINE,
        zeroing=EVERY_ZEROING,
    )
    independent: alt.FacetChart = chart.resolve_scale(y="independent", x="independent")
    return independent


CHART_COLUMNS = (
    *(
        "device",
        "model",
        "rule",
        "strategy",
        "zeroing",
        "default_zeroing",
        "panel",
        "baseline_strategy",
    ),
    *("step", "tensors_text", "odd"),
)


def _frame(content: Content) -> pd.DataFrame:
    """Join the steps to their cells; thin out the steps of a long training."""
    steps = content.gradients
    if steps.empty or content.cells.empty:
        return pd.DataFrame()
    cells = measured(content.cells, (*TIMED, "wrong"))
    keys = ["run", "host", "block", "cell"]
    shown = cells.assign(panel=cells["panel"] + " · " + cells["rule"])
    base = records(shown, "baseline_strategy", *keys)
    joined = base.merge(steps, on=keys, how="inner")
    if len(joined) > MOST_ROWS:
        per_cell = max(2, MOST_ROWS // max(1, joined.groupby(keys).ngroups))
        last = joined.groupby(keys)["step"].transform("max")
        stride = (last // (per_cell - 1)).clip(lower=1)
        joined = joined[(joined["step"] % stride == 0) | (joined["step"] == last)]
    return joined.assign(
        tensors_text=[f"{text.count(number)} tensors" for number in joined["tensors"]],
        odd=[_odd(row) for row in joined[["missing", "nan_count", "inf_count"]].itertuples()],
    )


def _odd(row: tuple[int, int, int, int]) -> str:
    """Say what else is to be known of gradients that are not all numbers."""
    _, missing, nan, infinite = row
    told = ((missing, "None"), (nan, "NaN"), (infinite, "infinite"))
    return ", ".join(
        f"{int(number)} {word}" for number, word in told if number == number and number
    )
