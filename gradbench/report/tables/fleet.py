"""Machines alike, summed up: how far they are apart, and what is fastest on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradbench.report.fleet import DEVICE
from gradbench.report.tables.table import ReportTable
from gradbench.terminal import figures as text

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.content import Content

MOST_ROWS = 200
"""Rows that a page shows; the CSV has all."""


def draw(content: Content) -> list[ReportTable]:
    """Draw a row for each kind of machine, model and rule: the baseline, and the fastest strategy.

    Args:
        content: What the report shows.

    Returns:
        One table; none where every cell is drawn by itself.
    """
    import pandas as pd

    if content.fleet is None:
        return []
    spread = content.fleet.spread
    by = [*DEVICE, "model", "options", "rule", "dtype", "threads", "cache"]
    rows = [_row(group) for _, group in spread.groupby(by, dropna=False, sort=True)]
    rows.sort(key=lambda row: -int(row["machines"].replace(",", "")))
    left = len(rows) - MOST_ROWS
    more = f" {left:,} more rows are left out here." if left > 0 else ""
    return [
        ReportTable(
            "fleet",
            "The fleet: machines alike",
            pd.DataFrame(rows[:MOST_ROWS]),
            spread,
            "Machines alike in hardware, driver, clock and torch, most frequent first. Medians "
            "over machines; below, what the middle 90 % of them span. `fastest`: the right "
            "strategy of the largest median speedup with the baseline's zeroing."
            f"{more} The CSV file has every cell.",
            ("machines", "baseline", "slowest", "speedup", "wrong", "failed"),
            None,
            {},
        )
    ]


def _row(group: pd.DataFrame) -> dict[str, str]:
    first = group.iloc[0]
    baseline = group[group["baseline"]].head(1)
    zeroing = baseline["zeroing"].iloc[0] if len(baseline) else first["zeroing"]
    unfit = group[["approximate", "wrong", "failed"]].sum(axis=1)
    ranked = group[(group["zeroing"] == zeroing) & (unfit == 0)]
    best = ranked.sort_values("speedup", ascending=False).head(1)
    device = first["device_name"] if isinstance(first["device_name"], str) else first["device"]
    parts = [device, f"torch {first['torch_version']}"]
    if isinstance(first["driver"], str):
        parts.append(f"driver {first['driver']}")
    if first["clock_hz"] == first["clock_hz"]:
        parts.append(f"{first['clock_hz'] / 1e9:.2f} GHz")
    options = f" · {first['options']}" if first["options"] else ""
    cold = " · cold" if first["cache"] == "cold" else ""
    return {
        "machine": " · ".join(map(str, parts)),
        "model · rule": f"{first['model']} · {first['rule']}{options}{cold}\n"
        f"{first['dtype']}, {text.threads(first['threads'])}",
        "machines": f"{int(group['machines'].max()):,}",
        "baseline": _spread(baseline, "update_s", text.seconds),
        "slowest": "".join(
            f"{text.ratio(row['slowest_s'] / row['update_s'])} the median\n{row['slowest_host']}"
            for row in baseline.to_dict("records")
        ),
        "fastest": "".join(best["strategy"]),
        "speedup": _spread(best, "speedup", text.ratio),
        "wrong": text.count(group["wrong"].sum()),
        "failed": text.count(group["failed"].sum()),
    }


def _spread(rows: pd.DataFrame, figure: str, write: object) -> str:
    assert callable(write)
    return "".join(
        f"{write(row[figure])}\n{write(row[f'{figure}_5'])} – {write(row[f'{figure}_95'])}"
        for row in rows.to_dict("records")
    )
