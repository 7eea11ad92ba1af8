"""Time against bytes and against tensors, with the cost model and the hardware's ceiling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from gradbench.report.blocks import WIDEST, measured
from gradbench.report.charts.figure import COLORS, SECONDS, Figure, facet, records, tooltip
from gradbench.statistics.verdicts import known
from gradbench.terminal import figures as text

if TYPE_CHECKING:
    from gradbench.report.content import Content

_FILTERS = ("device", "rule", "strategy", "zeroing")
_BYTES = alt.Axis(
    labelExpr="replace(format(datum.value, '~s'), /([kMGT])?$/, ' $1B')", tickCount=4, title=None
)


def draw_bytes(content: Content) -> Figure | None:
    """Draw update time against memory traffic.

    Args:
        content: What the report shows.

    Returns:
        A panel per strategy; None where nothing was timed.
    """
    return _draw(
        content,
        "traffic_bytes",
        _BYTES,
        "Time against bytes",
        "Time of one update against the bytes that it cannot avoid moving, a point per model. The "
        "line is the ceiling: as many bytes, moved by an in-place axpy in the same rounds. A point "
        "on it is bound by memory, a point far above it by dispatch. Crosses are the cost model: "
        "start + tensors · per tensor + passes · the control's time for the bytes, fitted over the "
        "models of a device, rule and strategy, with their 95 % prediction interval. All models "
        "are drawn, whichever is chosen.",
    )


def draw_tensors(content: Content) -> Figure | None:
    """Draw update time against the number of tensors.

    Args:
        content: What the report shows.

    Returns:
        A panel per strategy; None where nothing was timed.
    """
    return _draw(
        content,
        "tensors",
        alt.Axis(tickCount=4, title=None, format="~s"),
        "Time against tensors",
        "The same times against the number of tensors: a strategy that pays per tensor rises with "
        "them, whatever their sizes. Crosses are the cost model. All models are drawn.",
    )


def _draw(content: Content, cause: str, axis: alt.Axis, title: str, caption: str) -> Figure | None:
    frame = _frame(content)
    if frame.empty:
        return None
    x = alt.X(f"{cause}:Q", scale=alt.Scale(type="log", nice=False, padding=8), axis=axis)
    seconds = alt.Scale(type="log", nice=False, padding=8)
    place = alt.Chart().encode(
        x=x,
        color=alt.Color("rule:N", title="rule", scale=alt.Scale(range=COLORS)),
        tooltip=tooltip(
            strategy="strategy",
            model="model",
            rule="rule",
            device="device",
            update_text="update",
            update_interval="95 % interval",
            size_text="moves",
            tensors_text="in",
            predicted_text="cost model",
            predicted_interval="its 95 % interval",
            bottleneck_text="bound by",
            ceiling_text="at the ceiling",
            samples_text="counted",
            clock="block",
        ),
    )
    interval = place.mark_rule(opacity=0.5).encode(
        y=alt.Y("drawn_low:Q", scale=seconds, axis=SECONDS), y2="drawn_high:Q"
    )
    point = place.mark_point(filled=True, size=40, opacity=0.9).encode(
        y=alt.Y("update_s:Q", scale=seconds, axis=SECONDS)
    )
    fitted = place.mark_point(shape="cross", size=26, opacity=0.75, strokeWidth=1).encode(
        y=alt.Y("predicted_s:Q", scale=seconds, axis=SECONDS)
    )
    expected = place.mark_rule(opacity=0.25, strokeWidth=3).encode(
        y=alt.Y("expected_low:Q", scale=seconds, axis=SECONDS), y2="expected_high:Q"
    )
    layers = [expected, interval, fitted, point]
    if cause == "traffic_bytes":
        ceiling = (
            alt.Chart()
            .mark_line(color="#888888", strokeWidth=1)
            .encode(x=x, y=alt.Y("ceiling_s:Q", scale=seconds, axis=SECONDS), detail="device:N")
        )
        layers.insert(0, ceiling)
    panels = alt.layer(*layers).properties(width=200, height=150)
    return Figure(
        "time_against_bytes" if cause == "traffic_bytes" else "time_against_tensors",
        title,
        caption,
        facet(panels, frame, "panel", _FILTERS, 4),
        220,
        _FILTERS,
    )


def _frame(content: Content) -> pd.DataFrame:
    cells = measured(content.cells)
    cells = cells[
        cells["update_s"].map(known).astype(bool) & cells["traffic_bytes"].map(known).astype(bool)
    ]
    if cells.empty:
        return cells
    by = ["run", "host", "block", "cell"]
    fitted = cells.merge(
        content.cost_models.predictions.astype(dict.fromkeys(by, object)), on=by, how="left"
    )
    # Each block's own control: on few bytes it stays in the cache, as the update does.
    ceiling_s = fitted["traffic_bytes"] / fitted["ceiling_bytes_per_s"]
    expected = fitted["predicted_s"]
    shown = fitted.assign(
        expected_low=fitted["predicted_low"].clip(lower=expected / WIDEST),
        expected_high=fitted["predicted_high"].clip(upper=expected * WIDEST),
        ceiling_s=ceiling_s,
        panel=fitted["strategy"],
        predicted_text=[
            text.seconds(value, text.half_width(low, high))
            for value, low, high in fitted[
                ["predicted_s", "predicted_low", "predicted_high"]
            ].itertuples(index=False)
        ],
        predicted_interval=[
            text.seconds_interval(low, high)
            for low, high in zip(fitted["predicted_low"], fitted["predicted_high"], strict=True)
        ],
        ceiling_text=ceiling_s.map(text.seconds),
        size_text=fitted["traffic_bytes"].map(text.size),
        tensors_text=[f"{text.count(number)} tensors" for number in fitted["tensors"]],
    )
    figures = ("update_s", "drawn_low", "drawn_high", "predicted_s", "ceiling_s")
    ends = ("expected_low", "expected_high", "predicted_interval", "bottleneck_text")
    causes = ("traffic_bytes", "tensors", "size_text", "tensors_text")
    texts = ("update_text", "update_interval", "predicted_text", "ceiling_text", "samples_text")
    return records(shown, *figures, *ends, *causes, *texts, "clock")
