"""Reads of ``.grad`` from tensors that are no leaves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.origin import maker
from gradbench.diagnosis.timeline import Event, Kind, Timeline


class Kept(str, Enum):
    """What became of the leaf behind a result."""

    rebound = "rebound"  # the result of an update has its name
    unnamed = "unnamed"  # no variable held it
    other = "other"  # it is another tensor of the program's


@dataclass(frozen=True)
class Reading:
    """A None that was read from a result and used.

    Args:
        number: Number of the result.
        maker: The operator that made it.
        made_at: Its line.
        place: Line of the read.
        kept: What became of the leaf.
        times: How often it was read there.
    """

    number: int
    maker: Event
    made_at: Place
    place: Place
    kept: Kept
    times: int = 1

    @property
    def meant_as_leaf(self) -> bool:
        """Whether the result stands where a leaf was meant to be."""
        return self.kept is not Kept.other


@lru_cache(maxsize=4)
def readings(timeline: Timeline) -> tuple[Reading, ...]:
    """Find what was read as None from a result, each line of the read once.

    Args:
        timeline: What was seen.

    Returns:
        In the order of the reads.
    """
    found: dict[Place, Reading] = {}
    passed = False
    for event in timeline.events:
        passed = passed or event.kind in (Kind.backward, Kind.gradient)
        if event.kind is not Kind.grad_read or not passed or event.place is None:
            continue
        detail = event.detail
        if detail["leaf"] or not detail["none"] or detail["use"] != "used" or detail["retained"]:
            continue
        made = maker(timeline, event.inputs[0], event.index)
        if made is None or made.place is None or event.place in found:
            continue
        kept = _kept(timeline, event.inputs[0], made)
        found[event.place] = Reading(event.inputs[0], made, made.place, event.place, kept)
    return tuple(found.values())


def _kept(timeline: Timeline, number: int, made: Event) -> Kept:
    """Say what became of the leaf that a result was made of."""
    tensors = timeline.tensors
    leaves = [tensors[each] for each in made.inputs
              if each in tensors and tensors[each].role in ("leaf", "parameter")]  # fmt: skip
    if not leaves:
        return Kept.other
    read = [
        event
        for event in timeline.of(Kind.grad_read)
        if event.index < made.index and event.place == made.place and not event.detail["none"]
    ]
    named = tensors[number].name
    updated = {event.inputs[0] for event in read} & set(made.inputs)
    if updated or (read and any(leaf.name == named for leaf in leaves)):
        return Kept.rebound
    own = maker(timeline, leaves[0].number)
    if len(leaves) == 1 and len(made.live) == 1 and leaves[0].role == "leaf":
        born_here = own is not None and own.place == made.place
        nameless = not leaves[0].name or leaves[0].name == named
        if (
            nameless
            and (born_here or made.name in _MOVES)
            and tensors[number].shape == leaves[0].shape
        ):
            return Kept.unnamed
    return Kept.other


_MOVES = frozenset(["to", "cuda", "cpu", "float", "double", "half", "bfloat16", "type"])
