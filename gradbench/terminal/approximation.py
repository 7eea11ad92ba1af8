"""How far the updates of an approximate strategy are off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.results.status import APPROXIMATE
from gradbench.statistics.verdicts import known
from gradbench.terminal.figures import percent

if TYPE_CHECKING:
    import pandas as pd


def approximation(row: dict[Any, Any]) -> str:
    """Give the error of an approximate cell and what its strategy states.

    Args:
        row: Of ``cells``, with status ``approximate``.

    Returns:
        Such as ``≈ 2.1 % of the update (at most 5.0 %)``.
    """
    bound = row["update_error_bound"]
    most = f" (at most {percent(bound)})" if known(bound) else ""
    return f"≈ {percent(row['update_error'])} of the update{most}"


def bias(row: dict[Any, Any]) -> str:
    """Give the bias of an approximate cell's updates.

    Args:
        row: Of ``cells``, with status ``approximate``.

    Returns:
        Such as ``too short by 0.3 % ± 0.1 % on average``; empty where unknown.
    """
    if not known(row["update_bias"]):
        return ""
    error = row["update_bias_error"]
    reach = f" ± {100 * error:.2g} %" if known(error) else ""
    side = "far" if row["update_bias"] > 0 else "short"
    return f"too {side} by {100 * abs(row['update_bias']):.2g} %{reach} on average"


def approximation_lines(cells: pd.DataFrame) -> list[str]:
    """Say how far off each approximate strategy is, worst zeroing of each block.

    Args:
        cells: Rows of ``cells``.

    Returns:
        A line for each strategy of each block.
    """
    asked = cells["role"].isin(["baseline", "candidate"]) & (cells["status"] == APPROXIMATE)
    found = cells[asked].sort_values("update_error", ascending=False, kind="stable")
    found = found.drop_duplicates(["run", "host", "block", "strategy"]).sort_index()
    return [
        f"{row['model']} · {row['rule']} · {row['dtype']}: {row['strategy']} {approximation(row)}"
        + (f", {bias(row)}" if bias(row) else "")
        for row in found.to_dict("records")
    ]
