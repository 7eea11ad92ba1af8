"""Cells that have no figures, and why: wrong, failed, skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradbench.report.blocks import measured
from gradbench.report.tables.table import ReportTable
from gradbench.terminal import figures as text

if TYPE_CHECKING:
    from gradbench.report.content import Content


def draw(content: Content) -> list[ReportTable]:
    """Draw wrong and failed cells one by one, skipped ones counted by reason.

    Args:
        content: What the report shows.

    Returns:
        Up to two tables.
    """
    import pandas as pd

    tables = []
    bad = measured(content.cells, ("wrong", "failed"))
    if len(bad):
        bad = bad.sort_values(["status", "device_label", "model_label", "rule", "strategy"])
        columns = {
            **{"status": "status", "device_label": "device", "model_label": "model"},
            **{name: name for name in ("rule", "strategy", "zeroing", "reason")},
        }
        shown = bad[[*columns]].rename(columns=columns)
        tables.append(
            ReportTable(
                "wrong",
                "Wrong or failed",
                shown.map(text.plain),
                bad[[*columns, "run", "block", "dtype", "max_ulp_error", "tolerance_ulps"]],
                "These were not ranked, and nothing above recommends them.",
                filters={name: name for name in ("device", "model", "rule", "strategy", "zeroing")},
            )
        )
    skipped = measured(content.cells, ("skipped",))
    if len(skipped):
        groups = skipped.assign(reason=skipped["reason"].fillna("no reason given")).groupby(
            ["device", "reason"], sort=False
        )
        data = pd.DataFrame(
            [
                {
                    **{"device": device, "cells": len(rows), "reason": reason},
                    "blocks": rows["block"].nunique(),
                    "strategies": ", ".join(sorted(set(rows["strategy"].dropna()))),
                }
                for (device, reason), rows in groups
            ]
        ).sort_values("cells", ascending=False)
        shown = data[["device", "cells", "blocks", "reason"]].map(text.plain)
        tables.append(
            ReportTable(
                "skipped",
                "Skipped",
                shown,
                data,
                "Asked for and not measured.",
                ("cells", "blocks"),
            )
        )
    return tables
