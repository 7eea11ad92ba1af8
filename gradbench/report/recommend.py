"""Which strategy to use in a block: the fastest right one, if it is faster than the baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.blocks import measured
from gradbench.request.again import again, budget_of
from gradbench.results.configurations import Configurations
from gradbench.results.status import APPROXIMATE
from gradbench.statistics.choice import Choice, choose, right_with_default_zeroing
from gradbench.statistics.verdicts import MARGIN, known
from gradbench.terminal.figures import percent
from gradbench.terminal.situations import beware
from gradbench.terminal.steps import saving_s, saving_share, step_lines, step_seconds

if TYPE_CHECKING:
    import pandas as pd


def recommend(
    cells: pd.DataFrame, runs: pd.DataFrame | None = None, margin: float = MARGIN
) -> pd.DataFrame:
    """Choose a strategy for each block.

    Only right cells with the block's default zeroing are candidates
    (:func:`gradbench.statistics.choice.choose`). An approximate strategy is never recommended; one
    that is faster is named beside the answer.

    Args:
        cells: Described cells.
        runs: Rows of ``runs``, whose configurations say with which options a block was measured.
        margin: Smallest relative difference that matters.

    Returns:
        The row of the recommended cell of each block with ``faster`` (than the baseline),
        ``same`` and ``unclear`` (strategies that certainly do as well, and those that cannot be
        told from it), ``again`` (the command that would tell), ``budget_s``, ``baseline``,
        ``baseline_update_s``, ``baseline_update_s_low``, ``baseline_update_s_high``,
        ``baseline_step_s``, ``update_saving_s`` and ``update_saving_share`` (what its update saves
        of the baseline's, and as a share of the baseline's step), ``step_lines`` (what it makes of
        the step, in words), ``wrong`` (strategies that are wrong), ``approximate`` (faster ones
        that are, in words) and ``beware`` (what the strategy refuses or gets wrong, and the
        baseline does not); no row for a block without a right cell.
    """
    import pandas as pd

    asked = measured(cells, ("ok", APPROXIMATE, "wrong", "failed"))
    order = ["device_label", "model_label", "rule"]
    configurations = Configurations.of(runs)
    chosen = [
        answer
        for _, block in asked.groupby([*order, "run", "host", "block"], sort=False, dropna=False)
        if (answer := _answer(block, configurations, margin)) is not None
    ]
    return pd.DataFrame(chosen)


def _answer(
    block: pd.DataFrame, configurations: Configurations, margin: float
) -> dict[str, Any] | None:
    """Choose within a block, and say what is beside the choice."""
    rows: list[dict[Any, Any]] = block.to_dict("records")
    choice = choose(right_with_default_zeroing(rows), margin)
    if choice is None:
        return None
    best = dict(choice.best)
    baselines = [row for row in rows if row["role"] == "baseline"]
    name = baselines[0]["strategy"] if baselines else None
    options = configurations.of_block(best)
    right = baselines[0] if baselines and baselines[0]["status"] == "ok" else None
    return {
        **best,
        "faster": choice.faster,
        "same": [row["strategy"] for row in choice.same],
        "unclear": [row["strategy"] for row in choice.unclear],
        "again": again(choice, name, options),
        "budget_s": budget_of(best, options),
        "baseline": None if right is None else right["strategy"],
        **{
            f"baseline_{name}": None if right is None else right[name]
            for name in ("update_s", "update_s_low", "update_s_high")
        },
        "baseline_step_s": None if right is None else step_seconds(right),
        "update_saving_s": None if right is None else saving_s(best, right),
        "update_saving_share": None if right is None else saving_share(best, right),
        "step_lines": step_lines(best, right, margin),
        "wrong": sorted({row["strategy"] for row in rows if row["status"] == "wrong"}),
        "approximate": _approximate(rows, choice),
        "beware": beware(best, baselines[0] if baselines else None),
    }


def _approximate(rows: list[dict[Any, Any]], choice: Choice) -> list[str]:
    """Describe the approximate strategies that are faster than the best exact one."""
    best = choice.best["speedup"] if choice.faster else None
    least = best if known(best) and best is not None else 1.0
    found = [
        row
        for row in rows
        if row["status"] == APPROXIMATE
        and row["default_zeroing"]
        and row["update_verdict"] == "faster"
        and row["speedup"] > least
    ]
    return [
        f"{row['strategy']} {row['speedup_text']} as fast, its updates are off by "
        f"{percent(row['update_error'])}"
        for row in sorted(found, key=lambda row: -row["speedup"])
    ]
