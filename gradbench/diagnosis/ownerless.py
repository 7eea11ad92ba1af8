"""Leaves that receive gradients, and that no optimizer and no line of the program ever moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.ownership import Ownerless, Update, outside_of_init, updates_of
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@lru_cache(maxsize=4)
def ownerless_leaves(timeline: Timeline) -> tuple[Ownerless, ...]:
    """Find leaves that receive gradients while others of the same loss are moved and they are not.

    Args:
        timeline: What was seen.

    Returns:
        One for each reason and line.
    """
    return tuple(_Search(timeline).run())


_CERTAIN = frozenset({"copied", "loaded", "parametrized", "rebuilt", "replaced", "unfrozen"})
"""Reasons that hold although nothing was moved: a step found no gradient in all that it holds."""


_PARAMETRIZE = ("parametriz", "weight_norm", "spectral_norm")


class _Search:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._made: dict[int, Event] = {}
        self._assigned: dict[int, list[Event]] = {}
        self._copied: dict[int, Event] = {}
        self._loaded: dict[int, Event] = {}
        self._unfrozen: dict[int, list[Event]] = {}
        self._touched: dict[int, int] = {}
        self._asked: set[int] = set()
        self._collect()

    def _collect(self) -> None:
        for event in self._timeline.events:
            kind = event.kind
            if kind is Kind.parameter:
                for number in event.outputs:
                    self._made.setdefault(number, event)
            elif kind is Kind.assign:
                for number in event.outputs:
                    self._assigned.setdefault(number, []).append(event)
            elif kind is Kind.copy:
                for number in event.outputs:
                    self._copied[number] = event
            elif kind is Kind.load and event.name == "module":
                for number in event.outputs:
                    self._loaded.setdefault(number, event)
                    self._touched[number] = event.index
            elif kind is Kind.requires_grad:
                if event.detail["value"] and not event.detail["before"]:
                    self._unfrozen.setdefault(event.outputs[0], []).append(event)
            elif kind is Kind.gradient:
                self._asked.update(event.detail["of"])
            elif kind is Kind.write:
                for number in event.detail.get("leaves", ()):
                    self._touched[number] = event.index
            elif kind is Kind.data_write:
                self._touched[event.outputs[0]] = event.index

    def run(self) -> Iterator[Ownerless]:
        timeline = self._timeline
        found: dict[tuple[str, Place], list[tuple[int, Event, Event, Event | None, float, int]]]
        found = {}
        last = {n: update.event.index for update in updates_of(timeline) for n in update.moved}
        lent = self._lent()
        for number, passes in timeline.arrivals.items():
            tensor = timeline.tensors.get(number)
            if tensor is None or number in lent:
                continue
            if number in timeline.owners or number in last:
                since = self._left_behind(number, last.get(number, -1))
                passes = tuple(event for event in passes if since and event.index > since.index)
            if tensor.role != "parameter" and (not tensor.held or number in self._asked):
                continue
            norms = [(event, _norm(event, number)) for event in passes]
            norms = [(event, norm) for event, norm in norms if norm > 0]
            if not norms or self._touched.get(number, -1) > norms[0][0].index:
                continue
            pair = self._update_after(number, [event for event, _ in norms])
            if pair is None:
                continue
            backward, update = pair
            reason, place, cause = self._reason(number, update)
            idle = not update.moved and reason not in _CERTAIN
            if place is not None and not idle:
                found.setdefault((reason, place), []).append(
                    (number, backward, update.event, cause, max(n for _, n in norms), len(norms))
                )
        for (reason, place), group in found.items():
            leaves = tuple(number for number, *_ in group)
            _, backward, update_event, cause, _, _ = group[0]
            yield Ownerless(
                reason=reason,
                place=place,
                leaves=leaves,
                arrivals=len({e for n in leaves for e in timeline.arrivals[n]}),
                norm=max(norm for *_, norm, _ in group),
                backward=backward,
                update=update_event,
                owned=len(self._moved_with(leaves)),
                built=self._built(update_event),
                cause=cause,
            )

    def _left_behind(self, number: int, moved: int) -> Event | None:
        """Return the event that unfroze a leaf which only an optimizer of before held.

        Args:
            number: The leaf's.
            moved: Index of the last update that moved it.

        Returns:
            The event; None where an optimizer that holds the leaf steps afterwards.
        """
        thawed = self._unfrozen.get(number)
        if not thawed or moved > thawed[0].index:
            return None
        steps = [e for e in self._timeline.of(Kind.step) if e.index > thawed[0].index]
        return None if any(number in step.detail["held"] for step in steps) else thawed[0]

    def _lent(self) -> set[int]:
        """Return leaves whose gradients were handed on by the program, to another's ``.grad``."""
        timeline = self._timeline
        of: dict[int, int] = {}
        lent: set[int] = set()
        for event in timeline.events:
            if event.kind is Kind.grad_read and event.outputs:
                of[event.outputs[0]] = event.inputs[0]
            elif event.kind in (Kind.op, Kind.write) and of:
                sources = {of[n] for n in event.inputs if n in of}
                if sources and event.kind is Kind.op:
                    for number in event.outputs:
                        if number not in of:
                            of[number] = next(iter(sources))
                elif sources:
                    for number in (
                        *event.detail.get("leaves", ()),
                        *event.detail.get("gradients_of", ()),
                    ):
                        lent.update(sources - {number})
            elif event.kind is Kind.grad_write and event.outputs:
                source = of.get(event.outputs[0])
                if source is not None and source != event.inputs[0]:
                    lent.add(source)
        return lent

    def _update_after(self, number: int, passes: list[Event]) -> tuple[Event, Update] | None:
        """Return a pass that reached a leaf, and the update that left it out.

        That is one that moved others the pass reached, or else a step that found no gradient.
        """
        updates = updates_of(self._timeline)
        for event in passes:
            reached = set(event.detail["arrived"])
            for update in updates:
                if update.event.index > event.detail["first"] and reached & update.moved:
                    return event, update
        for step in self._timeline.of(Kind.step):
            if step.index > passes[0].index and len(step.detail["none"]) == len(
                step.detail["held"]
            ):
                return passes[0], Update(step, frozenset())
        return None

    def _moved_with(self, leaves: tuple[int, ...]) -> set[int]:
        reached = {
            other
            for leaf in leaves
            for event in self._timeline.arrivals[leaf]
            for other in event.detail["arrived"]
        }
        moved = {number for update in updates_of(self._timeline) for number in update.moved}
        return reached & moved

    def _built(self, update: Event) -> Event | None:
        if update.kind is not Kind.step:
            return None
        for event in self._timeline.of(Kind.optimizer):
            if event.detail["optimizer"] == update.detail["optimizer"]:
                return event
        return None

    def _reason(self, number: int, update: Update) -> tuple[str, Place | None, Event | None]:
        timeline, owners = self._timeline, self._timeline.owners
        tensor = timeline.tensors[number]
        made, assigned = self._made.get(number), self._assigned.get(number, [])
        built = self._built(update.event)
        since = built.index if built is not None else len(timeline.events)
        in_forward = [e for e in (*reversed(assigned), made) if e and e.detail.get("forward")]
        if in_forward:
            by_user = [e for e in in_forward if not e.api and e.kind is Kind.assign]
            return "forward", (by_user or in_forward)[0].place, (by_user or in_forward)[0]
        copied = self._copied.get(number)
        if copied is not None and self._is_owned(copied.inputs[0]):
            return "copied", copied.place, copied
        if tensor.held and not tensor.name:
            listed = [e for e in assigned if e.detail["what"] in ("modules", "tensor")]
            if listed:
                return "held", listed[-1].place, listed[-1]
            place = tensor.holder or (outside_of_init(made) if made else None)
            return "held", place, made
        if made is not None and not tensor.name and not tensor.held and not assigned:
            return "held", made.place, made
        loaded = self._loaded.get(number)
        if loaded is not None and any(n in owners for n in loaded.detail["replaced"]):
            return "loaded", loaded.place, loaded
        late = made is not None and made.index > since
        if made is not None and late and any(word in made.api for word in _PARAMETRIZE):
            return "parametrized", made.place, made
        for event in reversed(assigned):
            gone = set(event.detail["before"]) - set(event.outputs)
            if gone & owners.keys() and event.index > since and not event.api:
                return "replaced", self._decided(event, built), event
        thawed = [e for e in self._unfrozen.get(number, []) if e.index > since]
        if thawed:
            return "unfrozen", thawed[0].place, thawed[0]
        if made is not None and made.index > since and built is not None:
            held = set(built.detail["held"])
            idle = not any(
                number in held
                for event in timeline.of(Kind.backward)
                if event.index > made.index
                for number in event.detail["arrived"]
            )
            place = outside_of_init(made) if idle else self._decided(made, built)
            return ("rebuilt" if idle else "later"), place, made
        place = built.place if built is not None else update.event.place
        return "forgotten", place, built

    def _is_owned(self, number: int) -> bool:
        """Say whether an optimizer holds a tensor, or one that it is a copy of."""
        while number not in self._timeline.owners:
            copied = self._copied.get(number)
            if copied is None or copied.inputs[0] == number:
                return False
            number = copied.inputs[0]
        return True

    def _decided(self, event: Event, built: Event | None) -> Place | None:
        """Return the line that decides the order: in the function that built the optimizer."""
        if built is not None and built.place is not None:
            for place in (event.place, *event.callers):
                if place and (place.file, place.function) == _function(built.place):
                    return place
        return outside_of_init(event) if event.kind is Kind.parameter else event.place


def _function(place: Place) -> tuple[str, str]:
    return place.file, place.function


def _norm(event: Event, number: int) -> float:
    norms: Mapping[int, float] = dict(
        zip(event.detail["arrived"], event.detail["norms"], strict=False)
    )
    return norms.get(number, 0.0)
