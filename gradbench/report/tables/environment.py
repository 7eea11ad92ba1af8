"""Where and with what the runs were made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradbench.report.tables.table import ReportTable
from gradbench.terminal import figures as text

if TYPE_CHECKING:
    from gradbench.report.content import Content

_SHOWN = (
    *("run", "host", "state", "started_at", "wall_s", "command", "blocks"),
    *("platform", "cpu_count", "python_version", "torch_version", "gradbench_version"),
    *("git_revision",),
)


def draw(content: Content) -> list[ReportTable]:
    """Draw the runs.

    Args:
        content: What the report shows.

    Returns:
        One table; none without a run.
    """
    runs = content.runs
    if runs.empty:
        return []
    shown = runs[[*_SHOWN]].copy()
    shown["wall_s"] = shown["wall_s"].map(text.seconds)
    shown["started_at"] = shown["started_at"].astype("string").str.slice(0, 16)
    shown["git_revision"] = shown["git_revision"].astype("string").str.slice(0, 12)
    titles = {
        name: str(name).removesuffix("_s").removesuffix("_at").replace("_", " ") for name in shown
    }
    return [
        ReportTable(
            "environment",
            "Runs and machines",
            shown.rename(columns=titles).map(text.plain),
            runs.drop(columns="configuration", errors="ignore"),
            "",
            ("wall", "blocks", "cpu count"),
        )
    ]
