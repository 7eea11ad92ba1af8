"""Where one strategy stops to be the fastest and another begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

_POINTS = 241


@dataclass(frozen=True)
class Crossover:
    """A change of the fastest strategy along one quantity.

    Args:
        below: Strategy that is fastest below ``at``.
        above: Strategy that is fastest above.
        at: Where both take the same time.
    """

    below: str
    above: str
    at: float


def crossovers(
    seconds: Mapping[str, Callable[[float], float]], low: float, high: float, margin: float
) -> list[Crossover]:
    """Follow the fastest strategy from one end of a range to the other.

    Args:
        seconds: Predicted time by strategy, a function of the quantity.
        low: Where the range begins, positive.
        high: Where it ends.
        margin: A strategy gives way to one that is faster by more than this: less is not worth a
            change.

    Returns:
        The changes, in ascending order; none where one strategy is fastest, or within the
        margin of it, all along.
    """
    import numpy as np
    from scipy.optimize import brentq

    if not seconds or not low < high:
        return []
    found = []
    points = np.geomspace(low, high, _POINTS)
    incumbent, since = "", low
    for point in map(float, points):
        times = {name: function(point) for name, function in seconds.items()}
        best = min(times, key=times.__getitem__)
        if not incumbent:
            incumbent = best
        elif times[incumbent] > (1 + margin) * times[best]:

            def lead(x: float, old: str = incumbent, new: str = best) -> float:
                return seconds[old](x) - seconds[new](x)

            # The new one was behind when the old one began, or it would have begun instead.
            at = float(brentq(lead, since, point)) if lead(since) < 0 else since
            found.append(Crossover(incumbent, best, at))
            incumbent, since = best, at
    return found
