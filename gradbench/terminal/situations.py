"""Situations of real training that a strategy refuses, or in which it is wrong in silence."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from gradbench.statistics.choice import choose, right_with_default_zeroing
from gradbench.terminal.resolution import few

if TYPE_CHECKING:
    import pandas as pd

_BETWEEN = re.compile(r"(?<=\)); (?=[\w -]+ \()")
_WRONG = re.compile(r"with ([a-z][\w -]*), (.*)", re.DOTALL)


def situations(told: object) -> dict[str, str]:
    """Take a column apart, ``refuses`` or ``wrong_with``.

    Args:
        told: Its text, ``situation (what was seen); …``; None or NaN in files that lack it.

    Returns:
        What was seen by situation.
    """
    if not isinstance(told, str) or not told:
        return {}
    balanced = told.count("(") == told.count(")")
    parts = list[str]()
    for part in _BETWEEN.split(told):
        if parts and balanced and parts[-1].count("(") > parts[-1].count(")"):
            parts[-1] += f"; {part}"  # within what was seen
        else:
            parts.append(part)
    apart = (part.partition(" (") for part in parts)
    return {name: seen.removesuffix(")") for name, _, seen in apart}


def wrong_in(row: dict[Any, Any]) -> dict[str, str]:
    """Name the situations in which a cell's strategy is wrong.

    Args:
        row: Of ``cells``.

    Returns:
        What was seen by situation: of ``wrong_with``, and of a reason that names one.
    """
    found = situations(row["wrong_with"])
    reason = _WRONG.match(row["reason"]) if isinstance(row["reason"], str) else None
    return found if reason is None else {reason[1]: reason[2], **found}


def beware(row: dict[Any, Any], baseline: dict[Any, Any] | None) -> str:
    """Say in short what a strategy refuses or gets wrong, and the baseline does not.

    Args:
        row: Of ``cells``.
        baseline: Its block's baseline; None where there is none.

    Returns:
        Such as ``refuses: a parameter without a gradient``; empty where there is nothing.
    """
    others = dict[str, str]() if baseline is None else situations(baseline["refuses"])
    mishandled = dict[str, str]() if baseline is None else wrong_in(baseline)
    refused = [name for name in situations(row["refuses"]) if name not in others]
    wrong = [name for name in wrong_in(row) if name not in mishandled]
    parts = [("refuses", refused), ("is wrong in silence with", wrong)]
    return "; ".join(f"{words}: {_short(names)}" for words, names in parts if names)


def _short(names: list[str]) -> str:
    """Name two situations, or one and how many more: a table has them all."""
    return " and ".join(names if len(names) <= 2 else [names[0], f"{len(names) - 1} more"])


def situation_lines(cells: pd.DataFrame) -> list[str]:
    """Say of each block's fastest strategy what it refuses or gets wrong, unlike the baseline.

    Args:
        cells: Rows of ``cells``.

    Returns:
        A line for each strategy and rule, its models together; none for a baseline.
    """
    said = defaultdict[tuple[str, str, str], dict[str, None]](dict)
    for _, block in cells.groupby(["run", "host", "block"], dropna=False, sort=False):
        baselines = block[block["role"] == "baseline"].to_dict("records")
        choice = choose(right_with_default_zeroing(block.to_dict("records")))
        if choice is None or not choice.faster or not baselines:
            continue
        words = beware(dict(choice.best), baselines[0])
        if words:
            key = (str(choice.best["rule"]), str(choice.best["strategy"]), words)
            said[key][str(choice.best["model"])] = None
    return [
        f"{few(list(models))} · {rule}: {strategy}, the fastest, {words}"
        for (rule, strategy, words), models in said.items()
    ]
