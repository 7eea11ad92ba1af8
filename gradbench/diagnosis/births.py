"""Where NaN or infinity came into a backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from gradbench.diagnosis.ancestry import maker
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
    def forward(self) -> bool:
        """Whether NaN was there in the forward pass already."""
        return bool(self.birth.detail.get("forward"))

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
        """Say what is NaN: ``the gradients of a.weight and 3 more are not finite``."""
        names = timeline.names(self.leaves)
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        of = f" of {', '.join(names[:2])}{more}" if names else ""
        loss = "the loss is NaN in the forward pass already" if self.forward else ""
        if self.forward and not self.leaves:
            return loss
        return f"{loss}{', and ' if loss else ''}the gradients{of} are not finite"


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
    told: set[int] = set()
    for birth in timeline.of(Kind.nonfinite):
        backward = passes.get(birth.detail["backward"])
        if backward is None or birth.place is None or birth.detail["backward"] in told:
            continue
        told.add(birth.detail["backward"])
        arrived = backward.detail["failed"] or backward.detail["nonfinite"]
        if not arrived and not birth.detail.get("forward"):
            continue
        if scaled & set(backward.detail["roots"]):
            continue
        # Once the parameters themselves are NaN, all that follows is.
        if spoiled & set(backward.detail.get("reachable") or ()):
            continue
        birth = _of_input(timeline, birth)
        if birth.place is not None:
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


def _of_input(timeline: Timeline, birth: Event) -> Event:
    """Where the input of a node is NaN already, tell of the operator that made it."""
    number = birth.detail.get("tensor")
    if number is None:
        return birth
    made = maker(timeline, number, birth.detail["operator"])
    if made is None or made.place is None:
        return birth
    detail = {**birth.detail, "operator": made.index, "operator_name": made.name}
    return replace(birth, name="", place=made.place, outputs=made.outputs, detail=detail)


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
