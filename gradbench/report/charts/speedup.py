"""Speedups over the baseline, as a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from gradbench.report.blocks import measured
from gradbench.report.charts.figure import Figure, facet, records, tooltip
from gradbench.results.status import APPROXIMATE, TIMED
from gradbench.statistics.verdicts import known

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.content import Content


def draw(content: Content, columns: int = 2) -> Figure | None:
    """Draw every strategy's speedup on every model.

    Args:
        content: What the report shows.
        columns: Panels side by side, where the page does not choose.

    Returns:
        A panel per rule and device; None where no speedup is known.
    """
    cells = measured(content.cells, (*TIMED, "wrong"))
    cells = cells[cells["speedup"].map(known).astype(bool) | (cells["status"] == "wrong")]
    cells = cells[(cells["role"] != "baseline") | (cells["status"] == "wrong")]
    if cells.empty:
        return None
    shown = cells.assign(
        drawn=cells["speedup"].where(
            (cells["status"] == "ok") & cells["update_verdict"].isin(["faster", "slower"])
        ),
        label=[_label(row) for row in cells.to_dict("records")],
        panel=cells["rule"]
        + ("" if cells["device_label"].nunique() == 1 else " · " + cells["device_label"]),
    )
    texts = ("speedup_text", "speedup_interval", "noise_text", "update_text", "verified_text")
    frame = records(shown, "drawn", "label", "update_verdict", "samples_text", "clock", *texts)
    most = max(2.0, float(frame["drawn"].max(skipna=True) or 2.0))
    place = alt.Chart().encode(
        x=alt.X(
            "model:N",
            title=None,
            axis=alt.Axis(orient="top", labelAngle=-40, labelLimit=110, domain=False, ticks=False),
        ),
        y=alt.Y(
            "strategy:N", title=None, sort=_order(cells), axis=alt.Axis(domain=False, ticks=False)
        ),
        tooltip=tooltip(
            strategy="strategy",
            zeroing="zeroing",
            model="model",
            rule="rule",
            device="device",
            speedup_text="speedup",
            speedup_interval="95 % interval",
            noise_text="noise floor",
            update_verdict="verdict",
            update_text="update",
            verified_text="verification",
            samples_text="counted",
            clock="block",
        ),
    )
    tile = place.mark_rect(cornerRadius=3).encode(
        color=alt.condition(
            "isValid(datum.drawn)",
            alt.Color(
                "drawn:Q",
                title="speedup",
                legend=None,
                scale=alt.Scale(
                    type="log",
                    domain=[1 / min(most, 8), 1, min(most, 8)],
                    range=["#c8553d", "#d9d9d4", "#2a7fb8"],
                    clamp=True,
                    interpolate="lab",
                ),
            ),
            alt.value("#8884"),
        )
    )
    number = place.mark_text(fontSize=10).encode(
        text="label:N",
        color=alt.when("isValid(datum.drawn) && abs(log(datum.drawn)) > 1.0")
        .then(alt.value("#ffffff"))
        .when("isValid(datum.drawn)")
        .then(alt.value("#1c1c1c"))
        .otherwise(alt.value("#888888")),
    )
    filters = ("device", "model", "rule", "strategy", "zeroing")
    height = 20 * frame["strategy"].nunique()
    chart = facet(
        (tile + number).properties(width=330, height=height), frame, "panel", filters, columns
    )
    chart = chart.resolve_axis(x="independent")
    return Figure(
        "speedup",
        "Speedup over the baseline",
        "The baseline's update time over the strategy's, both in the same rounds: blue is faster, "
        "red slower. A grey = is the same, certainly within "
        f"{100 * content.margin:g} %; a grey ? is unclear: neither that, nor a difference beyond "
        "it and the block's noise floor. An empty tile was not measured; grey numbers in brackets "
        "are those of approximate strategies.",
        chart,
        330,
        filters,
    )


def _label(row: dict[Any, Any]) -> str:
    if row["status"] == "wrong":
        return "wrong"
    if row["update_verdict"] not in ("faster", "slower"):
        return "=" if row["update_verdict"] == "same" else "?"
    ratio = row["speedup_text"].removesuffix("×")
    return f"({ratio})" if row["status"] == APPROXIMATE else ratio


def _order(cells: pd.DataFrame) -> list[str]:
    """Order strategies by name, approximate ones last."""
    approximate = set(cells[cells["status"] == APPROXIMATE]["strategy"])
    return sorted(set(cells["strategy"]), key=lambda name: (name in approximate, name))
