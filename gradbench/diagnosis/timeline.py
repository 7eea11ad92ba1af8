"""What a watched program did: events in order, and the tensors they speak of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from gradbench.diagnosis.finding import Place

OBSERVATION_FAILED = "a part of the observation failed"
"""What a sentence on what could not be seen begins with, if the fault is ours."""


class Kind(str, Enum):
    """What an event is; `observe` says with each what its ``detail`` holds."""

    op = "op"  # an operator made new tensors
    write = "write"  # an operator wrote tensors in place: outputs are what it wrote
    export = "export"  # a tensor became a number or an array: item, float, numpy, tolist, print
    grad_read = "grad_read"  # `.grad` was read
    grad_write = "grad_write"  # `.grad` was assigned or deleted
    data_write = "data_write"  # `.data` was assigned
    requires_grad = "requires_grad"  # requires_grad was set
    grad_mode = "grad_mode"  # gradients were switched on or off
    backward = "backward"  # backward ran
    gradient = "gradient"  # autograd.grad ran
    functional = "functional"  # torch.func.grad or its like ran
    optimizer = "optimizer"  # an optimizer was built, copied, or got a group
    option = "option"  # an attribute of an optimizer was set
    step = "step"  # an optimizer stepped
    clear = "clear"  # gradients were cleared
    assign = "assign"  # an attribute of a module was set
    parameter = "parameter"  # an nn.Parameter was made of a tensor
    load = "load"  # a state dict was loaded into a module or an optimizer
    copy = "copy"  # a parameter was copied by deepcopy
    file = "file"  # torch.save or torch.load
    checkpoint = "checkpoint"  # a checkpointed segment ran, for the first or a further time
    function = "function"  # a custom autograd Function was applied
    hook = "hook"  # a hook was registered on a tensor
    hook_run = "hook_run"  # a tensor hook ran
    schedule = "schedule"  # a scheduler of learning rates stepped
    scale = "scale"  # a GradScaler scaled, unscaled, stepped or updated
    clip = "clip"  # gradients were clipped
    changed = "changed"  # a tensor saved for backward had changed when backward used it
    vanished = "vanished"  # a node of the graph made zeros of a gradient that was none
    nonfinite = "nonfinite"  # a node of the graph made NaN or infinity of a finite gradient
    compiled = "compiled"  # a compiled function ran, seen at its edges
    ddp = "ddp"  # DistributedDataParallel was built
    error = "error"  # the program raised
    end = "end"  # the program ended


@dataclass(frozen=True, eq=False)
class Event:
    """One thing that the program did.

    Args:
        index: Position in the timeline, from 0.
        step: Updates finished before it.
        kind: What it is.
        name: Operator, method, class or attribute.
        place: The user's line; None where no line of the user's was running.
        callers: The user's lines that led there, innermost first, without ``place``.
        api: PyTorch's function that the user's line called, such as
            ``torch.nn.utils.clip_grad_norm_``; empty where it is ``name`` itself.
        inputs: Numbers of the tensors that went in.
        live: Those of ``inputs`` that required a gradient.
        outputs: Numbers of the tensors that came out, or were written.
        out_live: Whether an output requires a gradient.
        grad_mode: Whether gradients were switched on.
        detail: What else was seen; numbers, texts, flags, and tuples of tensors' numbers.
    """

    index: int
    step: int
    kind: Kind
    name: str
    place: Place | None
    callers: tuple[Place, ...] = ()
    api: str = ""
    inputs: tuple[int, ...] = ()
    live: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    out_live: bool = False
    grad_mode: bool = True
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cuts(self) -> bool:
        """Whether a gradient ends here: an input required one and no output does."""
        return bool(self.live) and bool(self.outputs) and not self.out_live


@dataclass(frozen=True)
class TensorInfo:
    """A tensor of the program.

    Args:
        number: What events call it.
        name: Name as a parameter (``encoder.weight``), or of the variable that held it; may be
            empty.
        role: ``parameter`` (an nn.Parameter), ``leaf`` (another leaf that required a gradient),
            ``result`` or ``gradient``.
        shape: Its shape when first seen.
        dtype: Its dtype when first seen, such as ``float32``.
        alias: Number of the leaf whose memory it shares; None where there is none.
        of: For a gradient, number of the tensor whose ``.grad`` it was.
        module: Name of the module's class that holds it as a parameter; empty where there is none.
        held: An attribute that holds it outside of ``parameters()``, such as ``hidden.0.weight``.
        alive: Whether it existed when the observation ended.
        holder: For one that is ``held``, the line of the class that assigns that attribute.
        root: Number of the outermost module that holds it; 0 where there is none.
        places: Attributes of modules that hold it as a parameter.
    """

    number: int
    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    alias: int | None = None
    of: int | None = None
    module: str = ""
    held: str = ""
    alive: bool = True
    holder: Place | None = None
    root: int = 0
    places: int = 0


@dataclass(frozen=True, eq=False)
class Timeline:
    """All that was seen of a program.

    Args:
        events: In order.
        tensors: By number.
        program: Path of the script, or a name.
        steps: Updates that were finished.
        seconds: Duration of the program under observation, s.
        observing: Part of it that the observation took, s.
        unseen: Sentences on what could not be seen.
        ended: Why the program was ended early; empty where it ran to its end.
        dropped: Events that were dropped, oldest first, since there were too many.
    """

    events: tuple[Event, ...]
    tensors: Mapping[int, TensorInfo]
    program: str = ""
    steps: int = 0
    seconds: float = 0.0
    observing: float = 0.0
    unseen: tuple[str, ...] = ()
    ended: str = ""
    dropped: int = 0

    def of(self, *kinds: Kind) -> tuple[Event, ...]:
        """Return the events of some kinds, in order."""
        if len(kinds) == 1:
            return self._by_kind.get(kinds[0], ())
        return tuple(event for event in self.events if event.kind in kinds)

    @cached_property
    def _by_kind(self) -> Mapping[Kind, tuple[Event, ...]]:
        found: dict[Kind, list[Event]] = {}
        for event in self.events:
            found.setdefault(event.kind, []).append(event)
        return {kind: tuple(events) for kind, events in found.items()}

    def name(self, number: int) -> str:
        """Return the name of a tensor, or ``a tensor of 3×4`` where it has none."""
        tensor = self.tensors.get(number)
        if tensor is None:
            return "a tensor"
        if tensor.name or tensor.held:
            return tensor.name or tensor.held
        if tensor.of is not None:
            return f"{self.name(tensor.of)}.grad"
        shape = "×".join(map(str, tensor.shape))
        return f"a tensor of {shape}" if shape else "a number"

    def names(self, numbers: Iterator[int] | tuple[int, ...] | list[int]) -> tuple[str, ...]:
        """Return the names of tensors that have one, each once."""
        named = (self.tensors.get(number) for number in numbers)
        found = (tensor.name or tensor.held for tensor in named if tensor is not None)
        return tuple(dict.fromkeys(name for name in found if name))

    @cached_property
    def owners(self) -> Mapping[int, tuple[int, ...]]:
        """Optimizers that hold each tensor when the observation ends, by the tensor's number."""
        found: dict[int, tuple[int, ...]] = {}
        for event in self.of(Kind.optimizer):
            for number in event.detail["held"]:
                owner = event.detail["optimizer"]
                if owner not in found.get(number, ()):
                    found[number] = (*found.get(number, ()), owner)
        return found

    @cached_property
    def arrivals(self) -> Mapping[int, tuple[Event, ...]]:
        """Backward passes that brought each leaf a gradient, by the leaf's number."""
        found: dict[int, list[Event]] = {}
        for event in self.of(Kind.backward):
            for number in event.detail["arrived"]:
                found.setdefault(number, []).append(event)
        return {number: tuple(events) for number, events in found.items()}
