"""Why DistributedDataParallel still waits for a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from gradbench.diagnosis.raised import Raised, raised
from gradbench.diagnosis.timeline import Event, Kind, Timeline


class Absence(str, Enum):
    """Why a parameter that DDP waits for gets no gradient."""

    unused = "unused"
    frozen = "frozen"
    replaced = "replaced"


@dataclass(frozen=True)
class Unreduced:
    """Parameters that DDP waits for.

    Args:
        raised: The error.
        built: Where DDP was built.
        absence: Why there is no gradient.
        numbers: Of the parameters.
        cause: What froze or replaced them, or made those that are not used.
    """

    raised: Raised
    built: Event
    absence: Absence
    numbers: tuple[int, ...]
    cause: Event | None


@lru_cache(maxsize=4)
def unreduced(timeline: Timeline) -> Unreduced | None:
    """Explain the error ``Expected to have finished reduction in the prior iteration``.

    Args:
        timeline: What was seen.

    Returns:
        The parameters that got no gradient, with the reason; None where it was not raised.
    """
    error = raised(timeline, "Expected to have finished reduction")
    built = [event for event in timeline.of(Kind.ddp)]
    if error is None or not built:
        return None
    ddp = built[-1]
    arrived = {
        number
        for event in timeline.of(Kind.backward)
        if event.index > ddp.index
        for number in event.detail["arrived"]
    }
    missing = tuple(number for number in ddp.inputs if number not in arrived)
    later = [event for event in timeline.events if event.index > ddp.index]
    frozen = [
        event
        for event in later
        if event.kind is Kind.requires_grad
        and not event.detail["value"]
        and set(event.outputs) & set(ddp.inputs)
    ]
    if frozen:
        numbers = tuple(number for event in frozen for number in event.outputs)
        return Unreduced(error, ddp, Absence.frozen, numbers, frozen[0])
    replaced = [
        event
        for event in later
        if event.kind in (Kind.assign, Kind.load)
        and (set(event.detail.get("before", ())) | set(event.detail.get("replaced", ())))
        & set(missing)
    ]
    if replaced:
        return Unreduced(error, ddp, Absence.replaced, missing, replaced[0])
    made = [event for event in timeline.of(Kind.parameter) if set(event.outputs) & set(missing)]
    return Unreduced(error, ddp, Absence.unused, missing, made[0] if made else None)
