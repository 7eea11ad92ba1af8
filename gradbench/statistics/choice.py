"""Which of a block's strategies to use, and which do as well or cannot be told from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradbench.statistics.intervals import Interval
from gradbench.statistics.ratios import Logarithm
from gradbench.statistics.verdicts import MARGIN, known, speedup_verdict, verdict

Row = Mapping[Any, Any]
"""A row of ``cells``."""


@dataclass(frozen=True)
class Choice:
    """The strategy to use among right cells of one block.

    Args:
        best: Row of the recommended cell.
        faster: Whether it is faster than the baseline; if not, it is the baseline, or there is
            none to compare with.
        same: Rows of which the time over the recommended one's is certainly within the margin.
        unclear: Rows that may be faster than that, or slower: more samples would tell.
    """

    best: Row
    faster: bool
    same: tuple[Row, ...]
    unclear: tuple[Row, ...]


def choose(rows: Sequence[Row], margin: float = MARGIN) -> Choice | None:
    """Choose the cell of the best speedup among those that are faster than the baseline.

    If none is, the baseline is kept: there is no reason to change. Without a baseline the shortest
    time decides.

    Args:
        rows: Rows of ``cells`` of one block: right, and with the default zeroing.
        margin: Smallest relative difference that matters.

    Returns:
        The choice; None where nothing was timed.
    """
    timed = [row for row in rows if known(row["update_s"])]
    if not timed:
        return None
    baseline = next((row for row in timed if row["role"] == "baseline"), None)
    faster = [row for row in timed if update_verdict(row, margin) == "faster"]
    if faster:
        best = max(faster, key=lambda row: float(row["speedup"]))
    else:
        best = baseline or min(timed, key=lambda row: float(row["update_s"]))
    others = [row for row in timed if row["cell"] != best["cell"]]
    judged = [(_beside(row, best, margin), row) for row in sorted(others, key=_seconds)]
    return Choice(
        best,
        bool(faster),
        tuple(row for word, row in judged if word == "same"),
        tuple(row for word, row in judged if word in ("unclear", "faster")),
    )


def right_with_default_zeroing(rows: Sequence[Row]) -> list[Row]:
    """Keep the cells of a block that may be recommended.

    Args:
        rows: Rows of ``cells`` of one block.

    Returns:
        Right baselines and candidates, with the baseline's zeroing; all where there is none.
    """
    zeroing = next((row["zeroing"] for row in rows if row["role"] == "baseline"), None)
    return [
        row
        for row in rows
        if row["role"] in ("baseline", "candidate")
        and row["status"] == "ok"
        and zeroing in (None, row["zeroing"])
    ]


def update_verdict(row: Row, margin: float = MARGIN) -> str:
    """Say what a cell's speedup over its baseline shows.

    Args:
        row: Of ``cells``.
        margin: Smallest relative difference that matters.

    Returns:
        One of the four verdicts; ``same`` for the baseline itself.
    """
    if row["role"] == "baseline":
        return "same"
    figures = (row["speedup"], row["speedup_low"], row["speedup_high"])
    return speedup_verdict(*figures, margin=margin, noise=row["noise_floor"])


def _beside(row: Row, best: Row, margin: float) -> str:
    """Judge a cell against the recommended one; one that is faster was unclear to the baseline."""
    ratio = time_over(row, best)
    return "unclear" if ratio is None else verdict(ratio, margin=margin, noise=row["noise_floor"])


def time_over(row: Row, reference: Row) -> Interval | None:
    """Give a cell's update time over that of another of its block.

    Paired by round where either is the baseline, or the reference the block's fastest. Else the
    two ratios to the same third cell are divided as if they were independent, which is too wide
    rather than too narrow.

    Args:
        row: Of ``cells``.
        reference: Of the same block.

    Returns:
        The ratio with its interval; None where it is not known.
    """
    if row["cell"] == reference["cell"]:
        return Interval(1.0, 1.0, 1.0)
    if _is_fastest(reference) and _has(row, "over_fastest"):
        return _interval(row, "over_fastest")
    if row["role"] == "baseline" and _has(reference, "speedup"):
        return _interval(reference, "speedup")
    if reference["role"] == "baseline" and _has(row, "speedup"):
        speedup = _interval(row, "speedup")
        return Interval(1 / speedup.estimate, 1 / speedup.high, 1 / speedup.low)
    if _has(row, "over_fastest") and _has(reference, "over_fastest"):
        return (_logarithm(row, "over_fastest") - _logarithm(reference, "over_fastest")).interval()
    if _has(row, "speedup") and _has(reference, "speedup"):
        return (_logarithm(reference, "speedup") - _logarithm(row, "speedup")).interval()
    return None


def _is_fastest(row: Row) -> bool:
    """Say whether a cell is the one that its block's ``over_fastest`` refers to."""
    return all(row.get(f"over_fastest{end}") == 1 for end in ("", "_low", "_high"))


def _has(row: Row, figure: str) -> bool:
    """Say whether a figure and its interval are known; older files lack some."""
    ends = [row.get(f"{figure}{end}") for end in ("", "_low", "_high")]
    return all(known(end) and end is not None and end > 0 for end in ends)


def _interval(row: Row, figure: str) -> Interval:
    counted = row.get("speedup_replicates")
    replicates = counted if known(counted) else row.get("replicates")
    count = int(replicates) if replicates is not None and known(replicates) else 1
    estimate, low, high = (float(row[f"{figure}{end}"]) for end in ("", "_low", "_high"))
    return Interval(estimate, low, high, count)


def _logarithm(row: Row, figure: str) -> Logarithm:
    interval = _interval(row, figure)
    if interval.low == interval.high:  # the reference itself: 1, exactly
        return Logarithm(0.0)
    return Logarithm.of(interval)


def _seconds(row: Row) -> float:
    return float(row["update_s"])
