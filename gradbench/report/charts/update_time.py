"""Time of one update, by model and strategy, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from gradbench.report.blocks import measured
from gradbench.report.charts.figure import COLORS, SECONDS, Figure, facet, records, tooltip
from gradbench.results.status import APPROXIMATE, TIMED
from gradbench.statistics.verdicts import known

if TYPE_CHECKING:
    from gradbench.report.content import Content


def draw(content: Content) -> Figure | None:
    """Draw the update time of every right or approximate cell.

    Args:
        content: What the report shows.

    Returns:
        A panel per model; None where nothing was timed.
    """
    cells = measured(content.cells, TIMED)
    cells = cells[cells["update_s"].map(known).astype(bool)]
    if cells.empty:
        return None
    # The place on the axis: approximate strategies below exact ones, however fast.
    approximate = cells["status"] == APPROXIMATE
    cells = cells.assign(place=cells["update_s"].where(~approximate, 1e9 + cells["update_s"]))
    texts = (
        *("update_text", "update_interval", "speedup_text", "speedup_interval", "noise_text"),
        *("bottleneck_text", "verified_text"),
    )
    figures = ("update_s", "drawn_low", "drawn_high", "update_verdict", "clock", "samples_text")
    frame = records(cells, *figures, *texts, "status", "place")
    place = alt.Chart().encode(
        y=alt.Y("strategy:N", title=None, sort=alt.EncodingSortField("place", op="min")),
        color=alt.Color("rule:N", title="rule", scale=alt.Scale(range=COLORS)),
        tooltip=tooltip(
            strategy="strategy",
            zeroing="zeroing",
            model="model",
            rule="rule",
            device="device",
            update_text="update",
            update_interval="95 % interval",
            speedup_text="speedup",
            speedup_interval="its interval",
            noise_text="noise floor",
            update_verdict="verdict",
            verified_text="verification",
            bottleneck_text="bound by",
            samples_text="counted",
            clock="block",
        ),
    )
    scale = alt.Scale(type="log", nice=False, padding=8)
    interval = place.mark_rule(strokeWidth=2, opacity=0.55).encode(
        x=alt.X("drawn_low:Q", scale=scale, axis=SECONDS), x2="drawn_high:Q"
    )
    point = place.mark_point(size=38, opacity=1, strokeWidth=1.5).encode(
        x=alt.X("update_s:Q", scale=scale, axis=SECONDS),
        shape=alt.condition(
            f"datum.status === '{APPROXIMATE}'", alt.value("diamond"), alt.value("circle")
        ),
        fill=alt.condition(
            "datum.clock === 'contended'",
            alt.value("transparent"),
            alt.Fill("rule:N", legend=None, scale=alt.Scale(range=COLORS)),
        ),
    )
    filters = ("device", "model", "rule", "strategy", "zeroing")
    panels = (interval + point).properties(width=300, height=alt.Step(17))
    chart = facet(panels, frame, "panel", filters, columns=3)
    return Figure(
        "update_time",
        "Time of one update",
        "Median time of one update, alone, with its 95 % interval; the scale is logarithmic, so "
        "equal distances are equal ratios. Each panel has its own scales, the fastest strategy on "
        "top. Hollow points come from contended blocks; an interval wider than tenfold is cut. "
        "Approximate strategies are diamonds, at the bottom; wrong ones are not drawn.",
        chart.resolve_scale(x="independent", y="independent"),
        330,
        filters,
    )
