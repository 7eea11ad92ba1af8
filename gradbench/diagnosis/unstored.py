"""Gradients that a program asked for and did not hand to the optimizer that stepped next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradbench.diagnosis.finding import Also, Place
from gradbench.diagnosis.lost import unexplained
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class Unstored:
    """Gradients that were returned, and missed by a step.

    Args:
        event: What returned them.
        place: Its line.
        step: The step that found none.
        leaves: Numbers of the leaves.
        times: Steps that found none.
    """

    event: Event
    place: Place
    step: Event
    leaves: tuple[int, ...]
    times: int

    @property
    def also(self) -> tuple[Also, ...]:
        """The line of the step."""
        if self.step.place is None:
            return ()
        return (Also(self.step.place, "step that found no gradient"),)

    def named(self, timeline: Timeline) -> str:
        """Name the leaves, two of them."""
        names = timeline.names(self.leaves) or (timeline.name(self.leaves[0]),)
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        return f"{', '.join(names[:2])}{more}"


def unstored(timeline: Timeline, kind: Kind) -> Iterator[Unstored]:
    """Find gradients that were returned between two steps, and missed by the second.

    What the program moved by hand needs no optimizer, and is left out.

    Args:
        timeline: What was seen.
        kind: ``Kind.gradient`` or ``Kind.functional``.

    Yields:
        One for each line.
    """
    moved = {
        leaf for event in timeline.of(Kind.write) for leaf in event.detail.get("leaves", ())
        if event.grad_mode is False and not event.api.startswith("torch.nn")
    }  # fmt: skip
    moved |= {leaf for event in timeline.of(Kind.data_write) for leaf in event.outputs}
    found: dict[Place, tuple[list[int], Event, Event]] = {}
    for leaf, misses in unexplained(timeline).items():
        if leaf in moved:
            continue
        for missed in misses:
            event = _asked(timeline, leaf, missed, kind)
            if event is not None and event.place is not None:
                found.setdefault(event.place, ([], event, missed))[0].append(leaf)
                break
    steps = timeline.of(Kind.step)
    for place, (leaves, event, missed) in found.items():
        times = sum(leaves[0] in step.detail["none"] for step in steps)
        yield Unstored(event, place, missed, tuple(leaves), times)


def _asked(timeline: Timeline, leaf: int, missed: Event, kind: Kind) -> Event | None:
    """Return what computed a leaf's gradient since the step before the one that missed it."""
    if missed.kind is not Kind.step or not missed.detail["torch"]:
        return None
    before = [event.index for event in timeline.of(Kind.step) if event.index < missed.index]
    for event in reversed(timeline.of(kind)):
        if (before[-1] if before else -1) < event.index < missed.index:
            wanted = event.detail["of"] if kind is Kind.gradient else event.inputs
            if leaf in wanted:
                return event
    return None
