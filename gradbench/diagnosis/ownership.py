"""Updates of a program, and leaves that none of them moves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from gradbench.diagnosis.finding import Also, Place
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class Update:
    """Parameters moved, by an optimizer's step or by hand.

    Args:
        event: The step or the write.
        moved: Numbers of what moved.
    """

    event: Event
    moved: frozenset[int]


@dataclass(frozen=True)
class Ownerless:
    """Leaves with gradients and without an owner, for one reason and at one line.

    Args:
        reason: ``forward`` (made in forward), ``copied`` (a copy of what is owned), ``held`` (in an
            attribute that is no registered parameter), ``replaced`` (assigned in the place of what
            is owned), ``loaded`` (the same, by ``assign=True``), ``parametrized``, ``rebuilt`` (the
            model was made anew), ``unfrozen`` (after the optimizer was built), ``later`` (made
            after the optimizer), ``forgotten``.
        place: The line of the cause.
        leaves: Their numbers, in order.
        arrivals: Backward passes that brought one of them a gradient that is not zero.
        norm: The largest norm of such a gradient.
        backward: The first of the passes.
        update: What moved other parameters of the same loss, and not these.
        owned: Parameters of the same losses that were moved.
        built: The optimizer that moved those; None where they were moved by hand.
        cause: The event of the cause; None where there is none.
    """

    reason: str
    place: Place
    leaves: tuple[int, ...]
    arrivals: int
    norm: float
    backward: Event
    update: Event
    owned: int
    built: Event | None
    cause: Event | None

    @property
    def also(self) -> tuple[Also, ...]:
        """The lines of the optimizer, of backward and of the update."""
        lines = [
            (self.built, "optimizer built"),
            (self.backward, "backward"),
            (self.update, "step" if self.update.kind is Kind.step else "update"),
        ]
        return tuple(
            Also(event.place, role)
            for event, role in lines
            if event is not None and event.place is not None and event.place != self.place
        )

    @property
    def evidence(self) -> dict[str, float]:
        """What was measured."""
        return {
            "parameters": len(self.leaves),
            "gradients_received": self.arrivals,
            "largest_norm": self.norm,
            "optimizers_that_hold_them": 0,
            "parameters_moved": self.owned,
        }

    def said(self, timeline: Timeline) -> str:
        """Say who gets gradients and is moved by nobody."""
        names = timeline.names(self.leaves) or (timeline.name(self.leaves[0]),)
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        times = "once" if self.arrivals == 1 else f"in {self.arrivals} backward passes"
        who = "no optimizer holds" if self.built is not None else "the update does not touch"
        them = "it" if len(self.leaves) == 1 else "them"
        return (
            f"{', '.join(names[:2])}{more} got a gradient {times} (norm up to {self.norm:.3g}), "
            f"and {who} {them}"
        )


@lru_cache(maxsize=4)
def updates_of(timeline: Timeline) -> tuple[Update, ...]:
    """Return the updates, in order.

    Args:
        timeline: What was seen.

    Returns:
        Steps of optimizers, and writes by hand into leaves with a gradient.
    """
    found = []
    for event in timeline.of(Kind.step, Kind.write):
        moved = event.detail.get("moved")
        if moved:
            found.append(Update(event, frozenset(moved)))
    return tuple(found)


def outside_of_init(event: Event) -> Place | None:
    """Return the line that made an object: the innermost that is in no constructor."""
    for place in (event.place, *event.callers):
        if place is not None and place.function not in _CONSTRUCTORS:
            return place
    return event.place


_CONSTRUCTORS = frozenset({"__init__", "__post_init__", "<listcomp>", "<genexpr>", "<dictcomp>"})
