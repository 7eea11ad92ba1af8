"""What is kept while a program runs: events, and the tensors they speak of."""

from __future__ import annotations

import threading
import traceback
import weakref
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from gradbench.diagnosis.observe.graph import Graph
from gradbench.diagnosis.observe.places import Places
from gradbench.diagnosis.observe.raw import Raw, Seen
from gradbench.diagnosis.observe.tensors import memory, overlap
from gradbench.diagnosis.timeline import OBSERVATION_FAILED, Kind

MOST_EVENTS = 60_000
"""More than this, and those of all updates but the last ones are dropped."""

KEPT_STEPS = 3
"""Updates whose events are kept when some are dropped."""


LASTING = frozenset(
    {
        Kind.optimizer,
        Kind.option,
        Kind.assign,
        Kind.parameter,
        Kind.load,
        Kind.copy,
        Kind.file,
        Kind.hook,
        Kind.ddp,
        Kind.requires_grad,
        Kind.changed,
    }
)
"""Events that are never dropped: they are few, and what comes later depends on them."""


class Recorder:
    """Events in order, and numbers for tensors.

    Args:
        places: Finds the user's lines.
    """

    def __init__(self, places: Places) -> None:
        self.places = places
        self.events: list[Raw] = []
        self.step = 0
        self.dropped = 0
        self.observing = 0.0
        self.seen: dict[int, Seen] = {}
        self.leaves: dict[int, Seen] = {}
        self.unseen: dict[str, None] = {}
        self.quiet = 0
        self.thread = threading.get_ident()
        self.count = 0
        self._next = 0
        self.hand_written = False
        self.differentiated: set[int] = set()
        self.held: set[int] = set()
        self.names: Any = None
        self.on_update: Callable[[], None] = lambda: None
        self.graph = Graph()
        self._by_id: dict[int, Seen] = {}
        self._memory_of = (-1, 0)
        self._memories: dict[int, list[int]] = {}
        self._moved = 0
        self._writes: dict[int, list[int]] = {}
        self.failed: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
        self._detached: dict[int, Seen] = {}
        self.edited: set[int] = set()  # leaves whose gradient the program wrote or set

    @property
    def here(self) -> bool:
        """Whether this is the thread that is observed, and nothing hushes it."""
        return not self.quiet and threading.get_ident() == self.thread

    @contextmanager
    def hushed(self) -> Iterator[None]:
        """Record nothing within: what runs is PyTorch's own, or ours."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1

    @contextmanager
    def aloud(self) -> Iterator[None]:
        """Record again, within what is hushed: the user's closure in an optimizer's step."""
        quiet, self.quiet = self.quiet, 0
        try:
            yield
        finally:
            self.quiet = quiet

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time within as the observation's."""
        start = perf_counter()
        try:
            yield
        finally:
            self.observing += perf_counter() - start

    def number(self, tensor: Tensor) -> int:
        """Return the number of a tensor, a new one at first sight."""
        return self.know(tensor).number

    def know(self, tensor: Tensor) -> Seen:
        """Return what is known of a tensor, and remember it at first sight."""
        key = id(tensor)
        seen = self._by_id.get(key)
        if seen is not None and seen.ref() is tensor:
            if not seen.leaf and tensor.requires_grad and tensor.is_leaf:
                self._became_leaf(seen, tensor)
            return seen
        number = self._next
        self._next += 1
        seen = Seen(number, tensor, weakref.ref(tensor))
        self.seen[number] = self._by_id[key] = seen
        if isinstance(tensor, nn.Parameter) or (tensor.requires_grad and tensor.is_leaf):
            self._became_leaf(seen, tensor)
        return seen

    def _became_leaf(self, seen: Seen, tensor: Tensor) -> None:
        seen.leaf = True
        seen.role = "parameter" if isinstance(tensor, nn.Parameter) else "leaf"
        self.leaves[seen.number] = seen

    def tensor(self, number: int) -> Tensor | None:
        """Return a tensor by its number, if it still exists."""
        seen = self.seen.get(number)
        found = seen.ref() if seen is not None else None
        return found if isinstance(found, Tensor) else None

    def living_leaves(self) -> list[tuple[int, Tensor]]:
        """Return all leaves that still exist, with their numbers."""
        found = []
        for number, seen in list(self.leaves.items()):
            tensor = seen.ref()
            if tensor is None:
                del self.leaves[number]
            else:
                found.append((number, tensor))
        return found

    def leaf_of_memory(self, tensor: Tensor) -> int | None:
        """Return the number of the leaf whose memory a tensor shares, other than itself."""
        pointer = memory(tensor)
        if not pointer:
            return None
        if self._memory_of != (len(self.leaves), self._moved):
            self._memory_of = (len(self.leaves), self._moved)
            self._memories = {}
            for number, leaf in self.living_leaves():
                self._memories.setdefault(memory(leaf), []).append(number)
        for number in self._memories.get(pointer, ()):
            found = self.tensor(number)
            if found is None or found is tensor or memory(found) != pointer:
                continue
            if overlap(found, tensor):
                return number
        return None

    def detached(self, seen: Seen) -> None:
        """Remember a result of `detach` that is in a leaf's memory."""
        self._detached[seen.number] = seen

    def snapshots(self, leaves: Collection[int]) -> list[int]:
        """Return the living results of `detach` that are in the memory of some leaves."""
        self._detached = {n: seen for n, seen in self._detached.items() if seen.ref() is not None}
        return [number for number, seen in self._detached.items() if seen.alias in leaves]

    def moved_memory(self) -> None:
        """Note that a tensor got other memory."""
        self._moved += 1

    def wrote(self, tensors: Iterable[Tensor], index: int) -> None:
        """Note that an event wrote into the memory of some tensors.

        Args:
            tensors: What was written.
            index: Of the event.
        """
        for tensor in tensors:
            if len(self._writes) > MOST_EVENTS:
                self._writes.clear()
            self._writes.setdefault(memory(tensor), []).append(index)

    def writes(self, tensor: Tensor, since: int) -> tuple[int, ...]:
        """Return the events from an index on that wrote into the memory of a tensor.

        Args:
            tensor: It must have existed since then, else its memory may have been another's.
            since: Index of the first event that counts.

        Returns:
            Their indices.
        """
        return tuple(i for i in self._writes.get(memory(tensor), ()) if i >= since)[:16]

    def version(self, number: int) -> int:
        """Return the version counter of a tensor; −1 where it has none."""
        tensor = self.tensor(number)
        if tensor is None or tensor.is_inference():
            return -1
        return int(tensor._version)

    def since(self, index: int) -> list[Raw]:
        """Return the events from an index on."""
        found = []
        for event in reversed(self.events):
            if event.index < index:
                break
            found.append(event)
        return found[::-1]

    def event(self, index: int) -> Raw | None:
        """Return an event by its index, if it is still kept."""
        position = bisect_left(self.events, index, key=lambda each: each.index)
        if position < len(self.events) and self.events[position].index == index:
            return self.events[position]
        return None

    def cleared(self, numbers: tuple[int, ...], by: str, to_none: bool, **detail: Any) -> None:
        """Record that gradients were cleared.

        Args:
            numbers: Of the tensors whose gradients were there before.
            by: ``hand``, ``optimizer`` or ``module``.
            to_none: Whether they were removed, not filled with zeros.
            detail: What else was seen.
        """
        self.add(Kind.clear, by, cleared=numbers, to_none=to_none, **detail)

    def hand_update(self) -> None:
        """Count what was written by hand as an update: a backward or a gradient follows."""
        if self.hand_written:
            self.hand_written = False
            self.updated()
            self.on_update()

    def wrote_by_hand(self, leaves: Iterable[Tensor]) -> None:
        """Note that the program wrote leaves itself: an update, if a backward follows.

        Only what no optimizer holds and has been differentiated since the last update counts:
        initial values, averages of weights, and weights that are clipped or perturbed around an
        optimizer's step do not.
        """
        for leaf in leaves:
            number = self.number(leaf)
            if number in self.differentiated and number not in self.held and leaf.requires_grad:
                self.hand_written = True

    def add(
        self,
        kind: Kind,
        name: str,
        inputs: Iterable[Tensor] = (),
        outputs: Iterable[Tensor] = (),
        *,
        out_live: bool = False,
        callers: bool = True,
        **detail: Any,
    ) -> int:
        """Record an event at the user's present line.

        Args:
            kind: What it is.
            name: Operator, method, class or attribute.
            inputs: Tensors that went in.
            outputs: Tensors that came out, or were written.
            out_live: Whether an output requires a gradient.
            callers: Keep the user's lines that led there.
            detail: What else was seen.

        Returns:
            Its index.
        """
        index = self.count
        self.count += 1
        try:
            line, api = self.places.here()
            lines = self.places.lines() if callers else ()
            going_in = tuple(inputs)
            self.events.append(
                Raw(
                    index,
                    self.step,
                    kind,
                    name,
                    line,
                    lines[1:] if lines and lines[0] == line else lines,
                    api,
                    tuple(map(self.number, going_in)),
                    tuple(self.number(each) for each in going_in if each.requires_grad),
                    tuple(map(self.number, outputs)),
                    out_live,
                    torch.is_grad_enabled(),
                    detail,
                )
            )
        except Exception as error:  # the program goes on
            self.note_failure(error)
        return index

    def note_failure(self, error: Exception) -> None:
        """Note that the observation, not the program, raised: what it was to see is not seen.

        Args:
            error: What was raised.
        """
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}"
        said = f"{OBSERVATION_FAILED}: {type(error).__name__}: {error} ({where})"
        self.unseen.setdefault(said)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Go on where the observation raises within; the program is not to notice."""
        try:
            yield
        except Exception as error:
            self.note_failure(error)

    def updated(self) -> None:
        """Count an update, and drop old events where there are too many."""
        self.step += 1
        self.differentiated.clear()
        if len(self.events) <= MOST_EVENTS:
            return
        oldest = self.step - KEPT_STEPS
        kept = [each for each in self.events if each.step >= oldest or each.kind in LASTING]
        self.dropped += len(self.events) - len(kept)
        self.events = kept
        spoken = {number for each in kept for number in (*each.inputs, *each.outputs)}
        living = {number: seen for number, seen in self.seen.items() if number in spoken}
        self.seen = {**living, **self.leaves}
        self._by_id = {key: seen for key, seen in self._by_id.items() if seen.number in self.seen}
