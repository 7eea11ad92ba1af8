"""What could not be told from a block's fastest strategy, and the command that would tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradbench.request.again import again, budget_of
from gradbench.results.configurations import Configurations
from gradbench.statistics.choice import Choice, choose, right_with_default_zeroing
from gradbench.statistics.verdicts import MARGIN, known

if TYPE_CHECKING:
    import pandas as pd


def choice_lines(cells: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Say what to use, what does as well, and what the budget could not tell from it.

    Args:
        cells: Rows of ``cells``.
        runs: Rows of ``runs``, whose configurations say with which options they were measured.

    Returns:
        Of one block all that, with the command that would tell; of several one line that counts
        the blocks with something unclear, and says where the rest is.
    """
    configurations = Configurations.of(runs)
    found = []
    for _, block in cells.groupby(["run", "host", "block"], dropna=False, sort=False):
        rows = block.to_dict("records")
        choice = choose(right_with_default_zeroing(rows))
        if choice is not None:
            baseline = next((row["strategy"] for row in rows if row["role"] == "baseline"), None)
            found.append((choice, baseline, configurations.of_block(choice.best)))
    if len(found) == 1:
        [(choice, baseline, options)] = found
        budget = budget_of(choice.best, options)
        return _one(choice, again(choice, baseline, options), budget)
    unclear = sum(bool(choice.unclear) for choice, _, _ in found)
    if not unclear:
        return []
    return [
        f"in {unclear} of {len(found)} blocks something could not be told from the fastest: "
        "python -m gradbench report names it, with the command that would"
    ]


def _one(choice: Choice, command: str, budget_s: float | None) -> list[str]:
    best = str(choice.best["strategy"])
    use = f"use {best}" if choice.faster else f"keep {best}: none is certainly faster"
    if choice.best["role"] != "baseline" and not choice.faster:
        use = f"use {best}: the baseline is not right"
    same = ", ".join(str(row["strategy"]) for row in choice.same)
    lines = [f"{use}; same within {100 * MARGIN:g} %: {same}" if same else use]
    if choice.unclear:
        lines.append(unclear_text([row["strategy"] for row in choice.unclear], budget_s, command))
    return lines


def unclear_text(unclear: Sequence[str], budget_s: float | None, command: str) -> str:
    """Say what could not be told from the recommended strategy, and what would tell.

    Args:
        unclear: Names of the strategies.
        budget_s: Seconds that their block might be sampled; None or NaN where unknown.
        command: What would tell; empty where unknown.

    Returns:
        Such as ``2 could not be told apart in 5 s (flat, data): python -m gradbench … would``.
    """
    within = f" in {budget_s:g} s" if known(budget_s) else ""
    would = f": {command} would" if command else ""
    return f"{len(unclear)} could not be told apart{within} ({', '.join(unclear)}){would}"
