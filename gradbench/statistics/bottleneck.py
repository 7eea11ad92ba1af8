"""What an update's time goes into."""

from __future__ import annotations

DISPATCH_BOUND = 2 / 3
"""Share of the time that is left without the bytes, from which an update is dispatch-bound."""

BANDWIDTH_BOUND = 1 / 3
"""Share of the time that is left without the bytes, up to which it is bandwidth-bound."""


def bottleneck(
    dispatch_fraction: float | None, *, computes: bool = False, used: float | None = None
) -> str | None:
    """Name what an update's time goes into.

    d = dispatch_fraction is the share of the time that is left when the bytes are taken away and
    the calls stay: dispatch for d ≥ 2/3, bandwidth for d ≤ 1/3, mixed between. What is computed
    with an element counts as moving it where an update computes about one operation per byte;
    where it comes nearer to the ceiling of operations than to that of bytes, compute stands for
    bandwidth. How much of that time does what must be done is ``roofline_fraction``; where d is
    not measured, what is left without the bytes is at most the rest of it.

    Args:
        dispatch_fraction: Time of the update on two elements per tensor over its time, which noise
            may put above 1.
        computes: Whether operations per second are nearer to their ceiling than bytes are.
        used: ``roofline_fraction``, asked where ``dispatch_fraction`` is None.

    Returns:
        ``dispatch``, ``bandwidth``, ``compute`` or ``mixed``; None where the share is unknown, and
        may be above 1/3.

    Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance
        model for multicore architectures", CACM 52(4), 2009, for memory; H. He, "Making Deep
        Learning Go Brrrr From First Principles", 2022, for overhead: time that does not grow with
        the tensors' size is overhead.
    """
    if dispatch_fraction is None:
        if used is None or not used >= 1 - BANDWIDTH_BOUND:
            return None
        return "compute" if computes else "bandwidth"
    if not dispatch_fraction >= 0:
        return None
    if dispatch_fraction >= DISPATCH_BOUND:
        return "dispatch"
    if dispatch_fraction > BANDWIDTH_BOUND:
        return "mixed"
    return "compute" if computes else "bandwidth"
