"""Which strategy to use in a block: the fastest right one, if it is measurably faster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.blocks import measured
from gradbench.results.status import APPROXIMATE
from gradbench.statistics.verdicts import FASTER, SLOWER, known, ties
from gradbench.terminal.figures import percent
from gradbench.terminal.situations import beware
from gradbench.terminal.steps import saving_s, saving_share, step_lines, step_seconds

if TYPE_CHECKING:
    import pandas as pd


def recommend(cells: pd.DataFrame) -> pd.DataFrame:
    """Choose a strategy for each block.

    Only right cells with the block's default zeroing are candidates. If none is faster than the
    baseline by more than the noise floor, the baseline is recommended: then there is no reason to
    change. ``ties`` are those whose speedup cannot be told from the recommended one's: its
    interval, widened by the noise floor, reaches the recommended one's. An approximate strategy is
    never recommended; one that is faster is named beside the answer.

    Args:
        cells: Described cells.

    Returns:
        The row of the recommended cell of each block with ``ties``, ``baseline``,
        ``baseline_update_s``, ``baseline_step_s``, ``update_saving_s`` and ``update_saving_share``
        (what its update saves of the baseline's, and as a share of the baseline's step),
        ``step_lines`` (what it makes of the step, in words), ``wrong`` (strategies that are
        wrong), ``approximate`` (faster ones that are, in words) and ``beware`` (what the strategy
        refuses or gets wrong, and the baseline does not); no row for a block without a right cell.
    """
    import pandas as pd

    asked = measured(cells, ("ok", APPROXIMATE, "wrong", "failed"))
    order = ["device_label", "model_label", "rule"]
    chosen = [
        answer
        for _, block in asked.groupby([*order, "run", "host", "block"], sort=False, dropna=False)
        if (answer := _choose(block)) is not None
    ]
    return pd.DataFrame(chosen)


def _choose(block: pd.DataFrame) -> dict[str, Any] | None:
    """Choose within a block."""
    default = block[block["default_zeroing"]]
    right = default[(default["status"] == "ok") & default["update_s"].map(known).astype(bool)]
    if right.empty:
        return None
    baseline = right[right["role"] == "baseline"]
    faster = right[right["difference"] == FASTER]
    if len(baseline) and faster.empty:
        best = baseline.iloc[0]
    elif len(faster):
        best = faster.sort_values("speedup", ascending=False).iloc[0]
    else:  # the baseline is wrong, so there are no speedups
        best = right.sort_values("update_s").iloc[0]
    others = right[right["cell"] != best["cell"]].sort_values("speedup", ascending=False)
    wrong = block[block["status"] == "wrong"]
    row, base = best.to_dict(), _first(baseline)
    return {
        **{str(name): value for name, value in best.items()},
        "ties": [row["strategy"] for row in others.to_dict("records") if _ties(row, best)],
        "baseline": baseline["strategy"].iloc[0] if len(baseline) else None,
        "baseline_update_s": baseline["update_s"].iloc[0] if len(baseline) else None,
        "baseline_step_s": None if base is None else step_seconds(base),
        "update_saving_s": None if base is None else saving_s(row, base),
        "update_saving_share": None if base is None else saving_share(row, base),
        "step_lines": step_lines(row, base),
        "wrong": sorted(set(wrong["strategy"])),
        "approximate": _approximate(default, best),
        "beware": beware(best.to_dict(), _first(block[block["role"] == "baseline"])),
    }


def _first(rows: pd.DataFrame) -> dict[Any, Any] | None:
    return next(iter(rows.to_dict("records")), None)


def _approximate(default: pd.DataFrame, best: Any) -> list[str]:
    """Describe the approximate strategies that are faster than the best exact one."""
    least = best["speedup"] if known(best["speedup"]) and best["role"] != "baseline" else 1.0
    found = default[(default["status"] == APPROXIMATE) & (default["difference"] == FASTER)]
    found = found[found["speedup"] > least].sort_values("speedup", ascending=False)
    return [
        f"{row['strategy']} {row['speedup_text']} as fast, its updates are off by "
        f"{percent(row['update_error'])}"
        for row in found.to_dict("records")
    ]


def _ties(row: dict[Any, Any], best: Any) -> bool:
    """Say whether a cell cannot be told from the best one of its block."""
    figures = (row["speedup_high"], best["speedup_low"], best["noise_floor"])
    if best["role"] == "baseline" and all(map(known, figures)):
        return bool(row["difference"] != SLOWER)
    return ties(*figures)
