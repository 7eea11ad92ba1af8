"""The learning rate of each block: its run's configuration has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.results.configurations import Configurations

if TYPE_CHECKING:
    import pandas as pd


def with_learning_rates(cells: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Set the learning rate beside each cell.

    Args:
        cells: Rows of ``cells``.
        runs: Rows of ``runs``; may be empty.

    Returns:
        The cells with ``lr``, NaN where no configuration has it.
    """
    configurations = Configurations.of(runs)
    keys = cells[["run", "block"]].to_dict("records")
    return cells.assign(lr=[_rate(configurations.of_block(row)) for row in keys])


def _rate(options: dict[str, Any]) -> float:
    rule = options.get("rule")
    lr = rule.get("lr") if isinstance(rule, dict) else None
    return float(lr) if isinstance(lr, (int, float)) else float("nan")
