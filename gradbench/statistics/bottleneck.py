"""What an update's time goes into."""

from __future__ import annotations

DISPATCH_BOUND = 2 / 3
"""Share of the time that is left without the bytes, from which an update is dispatch-bound."""

SIZE_BOUND = 1 / 3
"""Share of the time that is left without the bytes, up to which the tensors' size decides."""

LEAST_USED = 1 / 3
"""Share of a ceiling that must be used for it to be what bounds an update."""


def bottleneck(
    dispatch_fraction: float | None,
    *,
    computes: bool = False,
    roofline_fraction: float | None = None,
) -> str | None:
    """Name what an update's time goes into.

    d = dispatch_fraction is the share of the time that is left when the bytes are taken away and
    the calls stay: dispatch for d ≥ 2/3, mixed for d > 1/3. Below, the size of the tensors
    decides: bandwidth, or compute where operations per second are nearer to their ceiling than
    bytes are, if that ceiling is what is reached (:func:`of_ceiling`). Where d is not measured, it
    is at most what the ceiling leaves.

    Args:
        dispatch_fraction: Time of the update on two elements per tensor over its time, which noise
            may put above 1.
        computes: Whether operations per second are nearer to their ceiling than bytes are.
        roofline_fraction: Share of the nearer ceiling that is used; None where unknown.

    Returns:
        ``dispatch``, ``bandwidth``, ``compute``, ``overhead`` or ``mixed``; None where the share
        is unknown, and may be above 1/3.

    Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance
        model for multicore architectures", CACM 52(4), 2009, for memory; H. He, "Making Deep
        Learning Go Brrrr From First Principles", 2022, for overhead: what is neither moving
        tensors that must be moved nor computing. Of it, what does not grow with the tensors' size
        is dispatch.
    """
    if dispatch_fraction is None:
        known = roofline_fraction is not None and roofline_fraction >= 1 - SIZE_BOUND
        return _ceiling(computes) if known else None
    if not dispatch_fraction >= 0:
        return None
    if dispatch_fraction >= DISPATCH_BOUND:
        return "dispatch"
    if dispatch_fraction > SIZE_BOUND:
        return "mixed"
    return of_ceiling(_ceiling(computes), roofline_fraction)


def _ceiling(computes: bool) -> str:
    return "compute" if computes else "bandwidth"


def of_ceiling(named: str, roofline_fraction: float | None) -> str:
    """Call a bottleneck by its ceiling only where that is used by a third or more.

    Less is overhead that grows with the tensors: temporaries, further passes over memory, pages
    that are new, kernels too small to fill the device, or neighbours that use it.

    Args:
        named: A bottleneck.
        roofline_fraction: Share of the ceiling that is used; None or NaN where unknown.

    Returns:
        ``overhead`` instead of ``bandwidth`` or ``compute`` that does not reach its ceiling.
    """
    if named not in ("bandwidth", "compute") or roofline_fraction is None:
        return named
    return "overhead" if roofline_fraction < LEAST_USED else named
