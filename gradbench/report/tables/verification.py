"""What verification could see in each block, and what the block's dtype hides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.blocks import measured
from gradbench.report.tables.table import ReportTable
from gradbench.results.status import TIMED
from gradbench.statistics.verdicts import known
from gradbench.terminal import figures as text
from gradbench.terminal.resolution import WEAK, resolution

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.content import Content

_DATA = (
    *("device_label", "model_label", "rule", "strategy", "zeroing", "status", "dtype", "lr"),
    *("max_ulp_error", "tolerance_ulps", "power", "nearest_mutant", "indistinguishable"),
    *("float32_count", "lost_fraction", "update_error", "update_error_bound"),
    *("update_bias", "update_bias_error", "run", "host", "block"),
)
_NAMES = {"device_label": "device", "model_label": "model"}


def draw(content: Content) -> list[ReportTable]:
    """Draw a row for each block.

    Args:
        content: What the report shows.

    Returns:
        One table; none where no file says anything of it.
    """
    import pandas as pd

    cells = measured(content.cells, TIMED)
    cells = cells[cells["power"].notna() | cells["lost_fraction"].notna()]
    if cells.empty:
        return []
    by = ["device_label", "model_label", "rule", "run", "host", "block"]
    rows = [_row(block) for _, block in cells.groupby(by, sort=True, dropna=False)]
    return [
        ReportTable(
            "verification",
            "What verification could see",
            pd.DataFrame(rows),
            cells[[*_DATA]].rename(columns=_NAMES),
            "A mutant is the rule with one term left out or changed. Power: how many tolerances "
            f"the nearest one is from right at verification's own hyperparameters; from {WEAK:g} "
            "on, every mutant would have been called wrong. Not seen here: mutants that the "
            "block's own hyperparameters hide below the resolution of its dtype. Updates lost: "
            "elements that a right first update leaves as they are.",
            ("power", "updates lost"),
            None,
            {"device": "device", "model": "model", "rule": "rule"},
        )
    ]


def _row(block: pd.DataFrame) -> dict[str, Any]:
    first, seen = block.iloc[0], resolution(block)
    return {
        "device": first["device_label"],
        "model": first["model_label"],
        "rule": first["rule"],
        "dtype": seen.dtype + (f"\nlr {seen.lr:g}" if known(seen.lr) else ""),
        "power": seen.distance + ("\nweak" if seen.is_weak else ""),
        "nearest mutant": seen.nearest or text.UNKNOWN,
        "not seen here": ", ".join(seen.hidden) or text.UNKNOWN,
        "updates lost": text.UNKNOWN if seen.lost is None else f"{100 * seen.lost:.3g} %",
    }
