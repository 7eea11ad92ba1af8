"""What makes a comparison fail."""

from __future__ import annotations

import pandas as pd

from gradbench.compare.result import FIGURES
from gradbench.compare.sections import changed_counts
from gradbench.compare.side import records
from gradbench.errors import BadRequest


def failures(
    comparison: pd.DataFrame, *, by: str, slower: float | None, counts: bool, missing: bool
) -> list[str]:
    """List the reasons for which a comparison fails.

    Args:
        comparison: A comparison.
        by: The figure that decides.
        slower: A cell fails if its verdict is ``slower`` and the lower end of its interval is
            above 1 + this; None asks for nothing.
        counts: A cell fails if it launches more or needs more memory.
        missing: A cell fails that BASE has measured and OTHER has not.

    Returns:
        A line for each.
    """
    figure = FIGURES[by]
    found = []
    if slower is not None:
        rows = comparison[comparison[figure.verdict] == "slower"]
        for row in records(rows[rows[figure.low] > 1 + slower]):
            found.append(
                f"{row['cell']}: {row[figure.column]:.3f} times BASE's, at least "
                f"{row[figure.low]:.3f} (more than {1 + slower:g})"
            )
    if counts:
        found += [
            f"{c['cell']}: {c['count']} {c['base']} → {c['other']}"
            for c in changed_counts(comparison)
            if c["other"] > c["base"]
        ]
    if missing:
        lost = comparison[comparison["reason"].fillna("").str.startswith("only in BASE")]
        found += [f"{row['cell']}: {row['reason']}" for row in records(lost)]
    return found


def check_decidable(comparison: pd.DataFrame, by: str) -> None:
    """Refuse a figure that decides about nothing, which would pass anything.

    Args:
        comparison: A comparison.
        by: The figure asked for.

    Raises:
        BadRequest: No cell has a verdict by it.
    """
    if comparison[FIGURES[by].verdict].notna().any():
        return
    why = {
        "bandwidth": "both sides are single runs on one machine, whose control tells drift, or "
        "have no bandwidth control",
        "baseline": "no cell has a speedup over the same baseline on both sides",
        "time": "no cell can be compared",
    }
    reasons = comparison["reason"].dropna()
    if len(reasons) == len(comparison):  # no other figure decides either
        raise BadRequest(f"no cell can be compared: {'; '.join(reasons.unique())}")
    raise BadRequest(f"--by {by}: {why[by]}; choose another of {', '.join(FIGURES)}")
