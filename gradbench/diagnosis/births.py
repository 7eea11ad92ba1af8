"""Where NaN, infinity or zeros came into a backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gradbench.diagnosis.finding import Also, Place
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class NotFinite:
    """The first operator of a backward pass that made NaN or infinity of finite gradients.

    Args:
        birth: Of kind ``nonfinite``.
        place: Its line.
        backward: The backward pass.
        leaves: Numbers of the leaves whose gradients are not finite afterwards.
        into_where: A later `torch.where` that chooses from what the operator made; None if there
            is none.
        passes: Backward passes in which something of the kind was born at this line.
    """

    birth: Event
    place: Place
    backward: Event
    leaves: tuple[int, ...]
    into_where: Event | None
    passes: int

    @property
    def name(self) -> str:
        """Name of the operator, such as ``sqrt``."""
        return str(self.birth.detail["operator_name"])

    @property
    def node(self) -> str:
        """Name of the node without ``Backward0``, such as ``Sqrt``."""
        return self.birth.name.split("Backward")[0]

    @property
    def masked(self) -> bool:
        """Whether a zero came wherever NaN or infinity went."""
        return bool(self.birth.detail["masked"])

    @property
    def also(self) -> tuple[Also, ...]:
        """The lines of `torch.where` and of backward."""
        lines = [(self.into_where, "torch.where"), (self.backward, "backward")]
        return tuple(
            Also(event.place, role)
            for event, role in lines
            if event is not None and event.place is not None and event.place != self.place
        )

    @property
    def evidence(self) -> dict[str, int]:
        """What was measured."""
        return {
            "backward_passes_with_nan": self.passes,
            "parameters_with_nan": len(self.leaves),
            "step": self.birth.step,
        }

    @property
    def times(self) -> str:
        """In how many backward passes: ``in 3 backward passes``."""
        return f"in {self.passes} backward pass{'es' if self.passes > 1 else ''}"

    def said(self, timeline: Timeline) -> str:
        """Say whose gradients are NaN: ``the gradients of a.weight and 3 more``."""
        names = timeline.names(self.leaves)
        if not names:
            return "the gradients"
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        return f"the gradients of {', '.join(names[:2])}{more}"


@lru_cache(maxsize=4)
def not_finite(timeline: Timeline) -> tuple[NotFinite, ...]:
    """Find where NaN or infinity were born, one for each line.

    Backward passes of a loss that a GradScaler has scaled may overflow: the scaler skips that step.

    Args:
        timeline: What was seen.

    Returns:
        The first birth of each backward pass whose leaves got something not finite.
    """
    passes = {event.index: event for event in timeline.of(Kind.backward)}
    scaled = {
        number
        for event in timeline.of(Kind.scale)
        if event.name == "scale" and event.detail["enabled"]
        for number in event.outputs
    }
    found: dict[Place, list[Event]] = {}
    spoiled: set[int] = set()
    for birth in timeline.of(Kind.nonfinite):
        backward = passes.get(birth.detail["backward"])
        if backward is None or birth.place is None or birth.detail["order"]:
            continue
        if not backward.detail["failed"] and not backward.detail["nonfinite"]:
            continue
        if scaled & set(backward.detail["roots"]):
            continue
        # Once the parameters themselves are NaN, all that follows is.
        if spoiled & set(backward.detail.get("reachable") or ()):
            continue
        found.setdefault(birth.place, []).append(birth)
        spoiled.update(_stepped(timeline, backward))
    return tuple(
        NotFinite(
            birth=births[0],
            place=place,
            backward=passes[births[0].detail["backward"]],
            leaves=tuple(passes[births[0].detail["backward"]].detail.get("nonfinite", ())),
            into_where=_where(timeline, births[0]),
            passes=len(births),
        )
        for place, births in found.items()
    )


def _stepped(timeline: Timeline, backward: Event) -> Iterator[int]:
    """Yield the leaves with NaN that a step then moved."""
    bad = set(backward.detail.get("nonfinite", ()))
    for step in timeline.of(Kind.step):
        if step.index > backward.index:
            yield from bad & set(step.detail["held"])
            return


_FOLLOWED = 40


def _where(timeline: Timeline, birth: Event) -> Event | None:
    """Return the `torch.where` that chooses from what an operator made, directly or not."""
    first, last = birth.detail["operator"], birth.detail["backward"]
    reached = set(birth.outputs)
    steps = 0
    for event in timeline.events:
        if event.index <= first or event.index >= last or event.kind is not Kind.op:
            continue
        taken = reached & set(event.inputs)
        if not taken:
            continue
        if event.name in ("where", "masked_fill", "nan_to_num", "masked_select"):
            return event
        if event.name in _REDUCES or steps >= _FOLLOWED:
            continue
        steps += 1
        reached.update(event.outputs)
    return None


_REDUCES = frozenset(
    ("sum", "mean", "norm", "matmul", "mm", "bmm", "linear", "max", "min", "prod", "amax", "amin")
)


@dataclass(frozen=True)
class Vanished:
    """An operator that made zeros of every gradient, in each backward pass that went through it.

    Args:
        first: The first of its events of kind ``vanished``.
        place: Its line.
        backward: The first backward pass.
        passes: Backward passes through it, in all of which it made zeros.
        leaves: Numbers of the leaves whose gradients were zero in all of them.
    """

    first: Event
    place: Place
    backward: Event
    passes: int
    leaves: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the operator, such as ``relu``."""
        return str(self.first.detail["operator_name"])

    @property
    def sure(self) -> bool:
        """Whether it was so in three backward passes, or in all that there were."""
        return self.passes >= 3

    @property
    def also(self) -> tuple[Also, ...]:
        """The line of backward."""
        place = self.backward.place
        return (Also(place, "backward"),) if place is not None and place != self.place else ()

    @property
    def evidence(self) -> dict[str, int]:
        """What was measured."""
        return {"backward_passes": self.passes, "zero_in": self.passes, "leaves": len(self.leaves)}


@lru_cache(maxsize=4)
def vanished(timeline: Timeline) -> tuple[Vanished, ...]:
    """Find operators that made zeros in each backward pass that was watched.

    Args:
        timeline: What was seen.

    Returns:
        One for each line, operator and node, with the leaves that got zeros only.
    """
    passes = {event.index: event for event in timeline.of(Kind.backward)}
    groups: dict[tuple[Place, str, str, tuple[int, ...]], list[Event]] = {}
    for event in timeline.of(Kind.vanished):
        if event.place is not None and event.detail["backward"] in passes:
            leaves = tuple(n for n in event.inputs if timeline.tensors[n].role in _LEAVES)
            key = (event.place, event.detail["operator_name"], event.name, leaves)
            groups.setdefault(key, []).append(event)
    found = []
    for (place, name, _, leaves), events in groups.items():
        through = [
            backward
            for backward in _watched(timeline, passes, {e.detail["backward"] for e in events})
            if _runs(timeline, place, name, leaves, backward)
        ]
        zeroed = {event.detail["backward"] for event in events}
        if not zeroed or any(backward.index not in zeroed for backward in through):
            continue
        first = passes[min(zeroed)]
        zero = set(first.detail.get("zero", ()))
        for index in zeroed:
            zero &= set(passes[index].detail.get("zero", ()))
        if zero:
            found.append(Vanished(events[0], place, first, len(zeroed), tuple(sorted(zero))))
    return tuple(found)


_LEAVES = ("parameter", "leaf")
_WATCHED = 3


def _watched(timeline: Timeline, passes: dict[int, Event], zeroed: set[int]) -> Iterator[Event]:
    """Yield the backward passes whose nodes were watched: the first three from each line."""
    lines: dict[Place | None, int] = {}
    for backward in passes.values():
        lines[backward.place] = lines.get(backward.place, 0) + 1
        if lines[backward.place] <= _WATCHED and not backward.detail["failed"]:
            yield backward


def _runs(
    timeline: Timeline, place: Place, name: str, leaves: tuple[int, ...], backward: Event
) -> bool:
    """Say whether an operator of this line ran in the forward pass of a backward pass."""
    earlier = [e.index for e in timeline.of(Kind.backward) if e.index < backward.index]
    since = max(earlier, default=-1)
    return any(
        event.name == name
        and event.place == place
        and event.live
        and set(leaves) <= set(event.inputs)
        for event in timeline.events
        if since < event.index < backward.index
    )
