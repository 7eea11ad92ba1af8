"""A figure of the report: one definition for the page, the SVG and the PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import altair as alt

if TYPE_CHECKING:
    import pandas as pd

CHOSEN = {
    "device": "chosen_device === '' || datum.device === chosen_device",
    "model": "chosen_model === '' || datum.model === chosen_model",
    "rule": "chosen_rule === '' || datum.rule === chosen_rule",
    "strategy": "chosen_strategy === '' || datum.strategy === chosen_strategy",
    "zeroing": "chosen_zeroing === '' ? datum.default_zeroing : datum.zeroing === chosen_zeroing",
}
"""The page's filters as expressions; '' is no choice: for zeroings, each block's default."""

BASELINE = "chosen_strategy === '' ? datum.baseline_strategy : datum.strategy === chosen_strategy"
"""The filter of figures that show one strategy: unless one is chosen, the baseline's."""

EVERY_ZEROING = "chosen_zeroing === '' || datum.zeroing === chosen_zeroing"
"""The filter of figures that compare zeroings."""

COLORS = ["#3b7dd8", "#e07b39", "#2a9d78", "#b455a0", "#c9a227", "#6b6f7b"]
"""Colours of categories, told apart on white and on black."""

POSITION: dict[str, Any] = {"for": "position"}
"""Of a step: it is the height of a place, whatever stands side by side in it."""

SECONDS = alt.Axis(
    labelExpr="replace(format(datum.value, '~s'), /([munpµkM])?$/, ' $1s')", tickCount=4, title=None
)
"""An axis of durations, labelled such as 10 µs."""


@dataclass(frozen=True)
class Figure:
    """A chart with its words.

    Args:
        name: Name, also of its files.
        title: Heading.
        caption: What is drawn and how to read it, in a sentence or three.
        chart: The definition.
        panel: Least width of one panel in pixels; a facet gets as many columns as fit.
        filters: Filters that it obeys.
    """

    name: str
    title: str
    caption: str
    chart: alt.TopLevelMixin
    panel: int
    filters: tuple[str, ...]

    @cached_property
    def specification(self) -> dict[str, Any]:
        """The definition as Vega-Lite, with its data."""
        with alt.data_transformers.enable("default", max_rows=None):
            found: dict[str, Any] = self.chart.to_dict()
        found["params"] = [
            *({"name": f"chosen_{name}", "value": ""} for name in self.filters),
            *found.get("params", []),
        ]
        found.setdefault("usermeta", {})["panel"] = self.panel
        return found


def facet(
    layers: alt.LayerChart | alt.Chart,
    frame: pd.DataFrame,
    by: str,
    filters: Sequence[str],
    columns: int,
    **chosen: str,
) -> alt.FacetChart:
    """Repeat a chart for each value of a column, of the rows that the filters leave.

    Args:
        layers: The chart of one panel, without data.
        frame: The rows.
        by: Column of the panels.
        filters: Names of filters, keys of ``CHOSEN``.
        columns: Panels side by side; the page chooses anew.
        chosen: Expressions that stand for those of ``CHOSEN``.

    Returns:
        The chart.
    """
    expressions = {**CHOSEN, **chosen}
    faceted = layers.properties(data=frame).facet(
        facet=alt.Facet(
            f"{by}:N", header=alt.Header(title=None, labelAnchor="start", labelFontWeight="bold")
        ),
        columns=columns,
    )
    for name in filters:
        faceted = faceted.transform_filter(expressions[name])
    result: alt.FacetChart = faceted
    return result


def tooltip(**fields: str) -> list[alt.Tooltip]:
    """Name the fields of a tooltip.

    Args:
        fields: Heading by field; underscores in a heading are spaces.

    Returns:
        The tooltip, text only.
    """
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in fields.items()]


def records(cells: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Take the columns of a chart, under the names that the filters know.

    Args:
        cells: Described cells.
        columns: Further columns.

    Returns:
        Rows with ``device``, ``model``, ``rule``, ``strategy``, ``zeroing`` and ``panel``.
    """
    named = cells.drop(columns=["device", "model"]).rename(
        columns={"device_label": "device", "model_label": "model"}
    )
    base = ("device", "model", "rule", "strategy", "zeroing", "default_zeroing", "panel")
    return named[[*base, *(column for column in columns if column not in base)]].reset_index(
        drop=True
    )
