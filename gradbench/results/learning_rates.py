"""The learning rate of each block: its run's configuration has it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


def with_learning_rates(cells: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Set the learning rate beside each cell.

    Args:
        cells: Rows of ``cells``.
        runs: Rows of ``runs``; may be empty.

    Returns:
        The cells with ``lr``, NaN where no configuration has it.
    """
    rates = {key: lr for run in runs.to_dict("records") for key, lr in _rates(run)}
    keys = zip(cells["run"], cells["block"], strict=True)
    return cells.assign(lr=[rates.get(key, float("nan")) for key in keys])


def _rates(run: dict[Any, Any]) -> Iterator[tuple[tuple[str, str], float]]:
    """List the learning rates of a run by run and block."""
    try:
        configuration = json.loads(run["configuration"])
    except (TypeError, ValueError):  # none, or cut short
        return
    for block, options in configuration.items() if isinstance(configuration, dict) else ():
        rule = options.get("rule") if isinstance(options, dict) else None
        lr = rule.get("lr") if isinstance(rule, dict) else None
        if isinstance(lr, (int, float)):
            yield (run["run"], block), float(lr)
