"""What experiments saw: counts, and every case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gradbench.report.observations import STYLES
from gradbench.report.tables.table import ReportTable, slug
from gradbench.terminal import figures as text

if TYPE_CHECKING:
    from gradbench.report.content import Content

MOST = 500
"""Cases shown to people; a spreadsheet gets them all."""

_SHOWN = (
    *("verdict", "case", "strategy", "operation", "placement", "optimizer", "implementation"),
    *("options", "layout", "dtype", "expected", "outcome", "consequence", "message", "source"),
)
"""Columns for people, of those that an experiment fills."""

_PAPER = ("verdict", "device", "case", "expected", "outcome")


def draw(content: Content) -> list[ReportTable]:
    """Draw a table for each experiment, the most urgent verdicts first.

    Args:
        content: What the report shows.

    Returns:
        The tables, with every column that the experiment fills as data.
    """
    observations = content.observations
    if observations.empty:
        return []
    tables = []
    place = {verdict: number for number, verdict in enumerate(STYLES)}
    for experiment, rows in observations.groupby("experiment", sort=False):
        urgency = rows["verdict"].map(place).fillna(len(place))
        ordered = rows.assign(urgency=urgency).sort_values("urgency", kind="stable")
        ordered = ordered.drop(columns="urgency").dropna(axis="columns", how="all")
        columns = [name for name in _SHOWN if name in ordered and _tells(ordered[name].map(str))]
        if rows["device"].nunique() > 1:
            columns.insert(1, "device")
        name = slug("observations", str(experiment))
        shown = len(ordered) if len(ordered) <= MOST else MOST
        tables.append(
            ReportTable(
                name,
                str(experiment),
                ordered[columns][:shown].rename(columns={"outcome": "seen"}).map(text.plain),
                ordered,
                f"{shown} of {len(ordered)} cases, the most urgent first; all are in the CSV "
                f"beside the page: tables/{name}.csv."
                if shown < len(ordered)
                else "",
                filters={"verdict": "verdict"},
                paper=tuple(
                    {"outcome": "seen"}.get(name, name) for name in columns if name in _PAPER
                ),
            )
        )
    return tables


def _tells(values: Iterable[str]) -> bool:
    """Say whether a column tells anything: it is not the same default everywhere."""
    return set(values) not in ({""}, {"float32"})
