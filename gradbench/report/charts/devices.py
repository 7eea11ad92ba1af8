"""Devices side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from gradbench.report.blocks import measured
from gradbench.report.charts.figure import (
    COLORS,
    EVERY_ZEROING,
    POSITION,
    SECONDS,
    Figure,
    facet,
    records,
    tooltip,
)
from gradbench.results.status import TIMED
from gradbench.statistics.verdicts import known

if TYPE_CHECKING:
    from gradbench.report.content import Content


def draw(content: Content) -> Figure | None:
    """Draw the update time of each model on each device.

    Args:
        content: What the report shows.

    Returns:
        A panel per rule; None where fewer than two devices were measured.
    """
    cells = measured(content.cells, TIMED)
    cells = cells[cells["update_s"].map(known).astype(bool)]
    if cells["device_label"].nunique() < 2 or content.recommendations.empty:
        return None
    keys = ["run", "host", "block", "cell"]
    best = content.recommendations[keys].assign(recommended=True)
    marked = cells.merge(best, on=keys, how="left")
    marked["recommended"] = marked["recommended"].notna()
    marked = marked.assign(panel=marked["rule"])
    texts = ("update_text", "update_interval", "samples_text", "speedup_text", "noise_text")
    figures = ("update_s", "drawn_low", "drawn_high", "recommended", "clock")
    frame = records(marked, *figures, *texts)
    scale = alt.Scale(type="log", nice=False, padding=8)
    place = alt.Chart().encode(
        y=alt.Y("model:N", title=None),
        yOffset=alt.YOffset("device:N"),
        color=alt.Color("device:N", title="device", scale=alt.Scale(range=COLORS)),
        tooltip=tooltip(
            device="device",
            model="model",
            rule="rule",
            strategy="strategy",
            zeroing="zeroing",
            update_text="update",
            update_interval="95 % interval",
            speedup_text="speedup there",
            noise_text="noise floor",
            samples_text="counted",
            clock="block",
        ),
    )
    interval = place.mark_rule(strokeWidth=2, opacity=0.55).encode(
        x=alt.X("drawn_low:Q", scale=scale, axis=SECONDS), x2="drawn_high:Q"
    )
    point = place.mark_point(filled=True, size=48, opacity=1).encode(
        x=alt.X("update_s:Q", scale=scale, axis=SECONDS)
    )
    filters = ("device", "model", "rule", "strategy", "zeroing")
    step = 10 + 8 * min(4, frame["device"].nunique())
    chart = facet(
        (interval + point).properties(width=300, height=alt.Step(step, **POSITION)),
        frame,
        "panel",
        filters,
        3,
        strategy="chosen_strategy === '' ? datum.recommended : "
        "datum.strategy === chosen_strategy && (datum.default_zeroing || chosen_zeroing !== '')",
        zeroing=EVERY_ZEROING,
    )
    return Figure(
        "devices",
        "Devices side by side",
        "Time of one update with its 95 % interval: the strategy recommended on each device or, if "
        "one is chosen above, that one. Further left is faster.",
        chart.resolve_scale(y="independent"),
        330,
        filters,
    )
