"""How far the intervals of each machine are to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradbench.report.calibration import load_of, percent
from gradbench.report.tables.table import ReportTable

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.content import Content

_DATA = (
    *("host", "device", "device_name", "model", "rule", "hogs", "seconds", "runs"),
    *("coverage", "coverage_low", "coverage_high", "intervals"),
    *("false_alarms", "false_alarms_low", "false_alarms_high", "identical"),
    *("detectable_difference", "half_width", "spread", "contended", "torch_version", "recorded_at"),
)


def draw(content: Content) -> list[ReportTable]:
    """Draw the calibrations of the machines shown.

    Args:
        content: What the report shows.

    Returns:
        One table; none where no machine is calibrated.
    """
    import pandas as pd

    shown = content.cells[content.cells["speedup"].notna()]
    machines = set(zip(shown["host"], shown["device"], strict=True))
    rows = content.calibrations
    kept = [key in machines for key in zip(rows["host"], rows["device"], strict=True)]
    rows = rows[kept]
    if rows.empty:
        return []
    found = rows["detectable_difference"]
    text = pd.DataFrame(
        {
            "machine": rows["host"] + ", " + rows["device"],
            "load": [load_of(row) for row in rows.to_dict("records")],
            "held": _shares(rows, "coverage"),
            "false alarms": _shares(rows, "false_alarms"),
            "found": found.map(percent).where(found.notna(), "none"),
            "± 95 %": rows["half_width"].map(percent),
            "re-runs": [
                f"{row['runs']}\n{row['seconds']:g} s of {row['model']} · {row['rule']}"
                for row in rows.to_dict("records")
            ],
        }
    )
    return [
        ReportTable(
            "calibration",
            "How far to trust the intervals",
            text,
            rows[[*_DATA]],
            "One block, measured again and again in fresh processes on this machine, quiet and "
            "beside busy processes. Held: how many stated 95 % intervals held the median of the "
            "re-runs. False alarms: how often code identical to the baseline was called different. "
            "Found: the smallest planted slowdown that at least four of five re-runs found. Below "
            "each share its exact 95 % interval. python -m gradbench calibrate measures it anew.",
            ("held", "false alarms", "found", "± 95 %", "re-runs"),
            "machine",
        )
    ]


def _shares(rows: pd.DataFrame, name: str) -> list[str]:
    ends = zip(rows[name], rows[f"{name}_low"], rows[f"{name}_high"], strict=True)
    return [f"{percent(value)}\n{percent(low)} – {percent(high)}" for value, low, high in ends]
