"""``torch.utils.benchmark.Timer``, one arm after another, as its recipe shows it."""

from __future__ import annotations

import torch
from torch.utils.benchmark import Timer

from gradbench.instruments.subject import ARMS, BASELINE, Subject


def blocked(subject: Subject, seconds: float, seed: int) -> dict[str, float]:
    """Compare medians of ``blocked_autorange``.

    Args:
        subject: What to measure.
        seconds: Sampling of all arms together.
        seed: Not used.

    Returns:
        The baseline's time over that of each arm.
    """
    timers = _timers(subject)
    share = seconds / len(timers)
    return _ratios(
        {arm: t.blocked_autorange(min_run_time=share).median for arm, t in timers.items()}
    )


def adaptive(subject: Subject, seconds: float, seed: int) -> dict[str, float]:
    """Compare medians of ``adaptive_autorange``, which may stop early.

    Args:
        subject: What to measure.
        seconds: Sampling of all arms together, at most.
        seed: Not used.

    Returns:
        The baseline's time over that of each arm.
    """
    timers = _timers(subject)
    share = seconds / len(timers)
    return _ratios(
        {arm: t.adaptive_autorange(max_run_time=share).median for arm, t in timers.items()}
    )


def _timers(subject: Subject) -> dict[str, Timer]:
    calls = subject.calls()
    threads = torch.get_num_threads()  # Timer sets one thread unless told
    return {arm: Timer("f()", globals={"f": calls[arm]}, num_threads=threads) for arm in ARMS}


def _ratios(seconds: dict[str, float]) -> dict[str, float]:
    return {arm: seconds[BASELINE] / seconds[arm] for arm in ARMS if arm != BASELINE}
