"""Speedups of all strategies on all models: the table for a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.blocks import measured
from gradbench.report.tables.table import ReportTable, slug
from gradbench.results.status import APPROXIMATE, TIMED
from gradbench.statistics.verdicts import known

if TYPE_CHECKING:
    from gradbench.report.content import Content

_DATA = (
    *("device_label", "model_label", "rule", "strategy", "zeroing", "status", "update_verdict"),
    *("speedup", "speedup_low", "speedup_high", "noise_floor", "clean", "contended"),
    "contention_text",
)
_NAMES = {
    **{"device_label": "device", "model_label": "model", "contention_text": "contention"},
    "update_verdict": "verdict",
}


def draw(content: Content) -> list[ReportTable]:
    """Draw a table for each device and rule: strategies by models, default zeroing.

    Args:
        content: What the report shows.

    Returns:
        The tables.
    """
    cells = measured(content.cells, (*TIMED, "wrong", "failed"))
    cells = cells[cells["default_zeroing"]]
    tables = []
    groups = cells.groupby(["device_label", "rule"], sort=True)
    for (device, rule), rows in groups:
        labels = rows.assign(label=[_label(row) for row in rows.to_dict("records")])
        labels = labels.drop_duplicates(["strategy", "model_label"], keep="last")
        grid = labels.pivot(index="strategy", columns="model_label", values="label").fillna("")
        approximate = labels[labels["status"] == APPROXIMATE]["strategy"]
        grid = grid.sort_index(key=lambda names: names.isin(approximate), kind="stable")
        shown = grid.rename_axis(columns=None).reset_index()
        tables.append(
            ReportTable(
                slug("speedups", str(device), str(rule)),
                f"Speedups · {rule} · {device}",
                shown,
                rows[[*_DATA]].rename(columns=_NAMES),
                "Baseline's update time over the strategy's with its 95 % interval, and what it "
                f"shows: same, certainly within {100 * content.margin:g} %; faster or slower, by "
                "more than that and the noise floor, given below each model; unclear, neither. "
                "Approximate strategies stand last.",
                tuple(map(str, grid.columns)),
            )
        )
    return tables


def _label(row: dict[Any, Any]) -> str:
    if row["status"] not in TIMED:
        return str(row["status"])
    if row["role"] == "baseline":
        return f"1\nnoise {row['noise_text']}"
    if not known(row["speedup"]):
        return "–"
    contended = ", contended" if row["clock"] == "contended" else ""
    off = f", {APPROXIMATE}" if row["status"] == APPROXIMATE else ""
    said = f"{row['speedup_interval']}, {row['update_verdict']}{contended}{off}"
    return f"{row['speedup_text']}\n{said}"
