"""What may be said of a training step: its time, what it gains over the baseline's, or nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gradbench.statistics.verdicts import MARGIN, Verdict, known, speedup_verdict
from gradbench.terminal import figures

Row = Mapping[Any, Any]


def step_seconds(row: Row) -> float | None:
    """Give the time of a cell's whole step.

    Args:
        row: Of ``cells``.

    Returns:
        Seconds; None where there is no figure, and in files whose steps were not timed whole.
    """
    if not (known(row["step_samples"]) and known(row["step_s"])):
        return None
    return float(row["step_s"])


def step_verdict(row: Row, margin: float = MARGIN) -> Verdict | None:
    """Say what a cell's step is beside the baseline's.

    Args:
        row: Of ``cells``.
        margin: Smallest relative difference of two times that matters.

    Returns:
        The verdict; None where there is no figure to judge.
    """
    if step_seconds(row) is None or not known(row["step_speedup"]):
        return None
    low, high = row["step_speedup_low"], row["step_speedup_high"]
    return speedup_verdict(
        row["step_speedup"], low, high, margin=margin, noise=row["step_noise_floor"]
    )


def step_text(row: Row) -> str:
    """Format a cell's step, such as ``419 ms``, or say why there is none."""
    seconds = step_seconds(row)
    if seconds is not None:
        return figures.seconds(seconds, _half(row, "step_s"))
    if not known(row["step_samples"]):
        return "no figure: timed phase by phase" if known(row["step_s"]) else figures.UNKNOWN
    count = int(row["step_samples"])
    return f"no figure: {count} clean step{'' if count == 1 else 's'}"


def step_speedup(row: Row) -> str:
    """Format the baseline's step over a cell's, such as ``1.03×``; a dash where it is unknown."""
    return figures.ratio(row["step_speedup"], _half(row, "step_speedup"))


def step_gain(row: Row, margin: float = MARGIN) -> str:
    """Format what a step gains over the baseline's, such as ``1.03× (1.01 – 1.05), same``.

    Args:
        row: Of ``cells``.
        margin: Smallest relative difference of two times that matters.

    Returns:
        The speedup, its interval and the verdict; empty where they are unknown.
    """
    verdict = step_verdict(row, margin)
    if verdict is None:
        return ""
    interval = figures.ratio_interval(row["step_speedup_low"], row["step_speedup_high"])
    return f"{step_speedup(row)} ({interval}), {verdict}"


def saving_s(row: Row, baseline: Row) -> float | None:
    """Give what an update saves of the baseline's: its time less the cell's.

    Args:
        row: Of ``cells``.
        baseline: The row of its baseline.

    Returns:
        Seconds, negative where it takes longer; None where one of them is unknown.
    """
    if not (known(row["update_s"]) and known(baseline["update_s"])):
        return None
    return float(baseline["update_s"] - row["update_s"])


def saving_share(row: Row, baseline: Row) -> float | None:
    """Give what an update saves as a share of the baseline's whole step; None where unknown."""
    saved, step_s = saving_s(row, baseline), step_seconds(baseline)
    return None if saved is None or step_s is None else saved / step_s


def step_lines(row: Row, baseline: Row | None, margin: float = MARGIN) -> list[str]:
    """Say what a strategy makes of the training step.

    Args:
        row: Of ``cells``.
        baseline: The row of its baseline; None where that is not right.
        margin: Smallest relative difference of two times that matters.

    Returns:
        The step's time with the baseline's, its speedup and verdict; what the update saves, where
        that is certain.
    """
    if baseline is None or row["role"] == "baseline":
        return [step_text(row)]
    gain = step_gain(row, margin)
    lines = [f"{step_text(row)}, from {step_text(baseline)}", gain] if gain else [step_text(row)]
    return [*lines, *_saving(row, baseline, margin)]


def _saving(row: Row, baseline: Row, margin: float) -> list[str]:
    """Say what the update saves, or costs, of the step, where its own verdict says so."""
    saved, share = saving_s(row, baseline), saving_share(row, baseline)
    low, high = row["speedup_low"], row["speedup_high"]
    verdict = speedup_verdict(row["speedup"], low, high, margin=margin, noise=row["noise_floor"])
    if saved is None or verdict not in ("faster", "slower") or saved == 0:
        return []
    of = "" if share is None else f", {figures.percent(abs(share))} of the step"
    word, more = ("saves", "") if saved > 0 else ("costs", " more")
    return [f"the update {word} {_saved_text(row, baseline, abs(saved))}{more}{of}"]


def _saved_text(row: Row, baseline: Row, saved: float) -> str:
    """Format a difference of two updates: its half-width is that of both, √(a² + b²)."""
    halves = [_half(each, "update_s") for each in (row, baseline)]
    there = [half for half in halves if half is not None]
    if len(there) < len(halves):
        return figures.seconds(saved)
    times = (float(row["update_s"]), float(baseline["update_s"]))
    reach = math.hypot(*(half * time for half, time in zip(there, times, strict=True)))
    return figures.seconds(saved, reach / saved)


def _half(row: Row, figure: str) -> float | None:
    return figures.half_width(row.get(f"{figure}_low"), row.get(f"{figure}_high"))
