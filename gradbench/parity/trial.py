"""One case carried out: what the optimizer left in memory after each step."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradbench.parity.cases import Case, Member, gradient_values, starting_values
from gradbench.parity.catalogue import COMPILED, Entry
from gradbench.parity.options import RATE, TensorValue, build
from gradbench.parity.placement import GRADIENT_ONLY, GUARD, View, place

State = dict[str, Tensor]
Kind = tuple[tuple[int, ...], torch.dtype, tuple[int, ...], str]

BACKEND = "aot_eager"
"""Of torch.compile: traces and functionalizes the step as inductor does, and builds no C++."""

_DELIBERATE = (ValueError, RuntimeError, NotImplementedError, AssertionError)


@dataclass(frozen=True)
class Violation:
    """Something that no implementation may do, whatever the for-loop does.

    Args:
        check: Name of the check.
        step: When, from 0.
        member: Number of the parameter.
        detail: What was seen.
    """

    check: str
    step: int
    member: int
    detail: str


@dataclass(frozen=True)
class Refusal:
    """An exception instead of a step.

    Args:
        step: Which step raised it; -1 is the constructor.
        kind: Name of the exception's class.
        message: Its first line.
        deliberate: Whether it is of a kind that libraries raise on purpose.
        documented: Whether torch.optim itself raised it, rather than an operator inside.
        moved: Whether parameters had been changed by the step that raised.
    """

    step: int
    kind: str
    message: str
    deliberate: bool
    documented: bool
    moved: bool


@dataclass
class Trail:
    """What a case left: per step, per member.

    Args:
        parameters: Values after each step.
        states: Tensors of the optimizer's state after each step.
        kinds: Shape, type, strides and device of each of those tensors.
        versions: Change of each parameter's version counter in each step.
        violations: What may never happen, and did.
        refusal: The exception that ended it, if one did.
    """

    parameters: list[list[Tensor]] = field(default_factory=list)
    states: list[list[State]] = field(default_factory=list)
    kinds: list[list[dict[str, Kind]]] = field(default_factory=list)
    versions: list[list[int]] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    refusal: Refusal | None = None


class Place:
    """A parameter in a guarded storage, with its gradient in another."""

    def __init__(self, case: Case, member: Member, device: torch.device):
        self.member, self.dtype, self.device = member, case.dtype_of(member), device
        self.view = _view(member.shape, member.parameter)
        self.storage = torch.full((self.view.span,), GUARD, dtype=self.dtype, device=device)
        tensor = _of(self.storage, self.view)
        _put(tensor, starting_values(member, self.dtype).to(device))
        self.parameter = tensor.requires_grad_(case.implementation != "differentiable")
        self.start = self.parameter.detach().clone()
        self.outside = ~self.view.inside().to(device)
        self.gradient: Tensor | None = None
        self.bits: Tensor | None = None

    def give(self, step: int) -> None:
        """Set the gradient of a step."""
        if not self.member.has_gradient(step):
            self.parameter.grad = self.gradient = self.bits = None
            return
        values = gradient_values(self.member, step, self.dtype).to(self.device)
        if self.member.gradient == "sparse":
            self.gradient = values.to_sparse()
            self.bits = self.gradient._values()
        elif self.member.gradient == "conjugated":
            self.bits = values.conj().resolve_conj()
            self.gradient = self.bits.conj()
        else:
            view = _view(self.member.shape, self.member.gradient)
            self.bits = torch.full((view.span,), torch.nan, dtype=self.dtype, device=self.device)
            self.gradient = _of(self.bits, view)
            _put(self.gradient, values)
        self.parameter.grad = self.gradient


def run(entry: Entry, case: Case, device: torch.device) -> Trail:
    """Take the case's steps and look at everything that the optimizer may or may not touch.

    Args:
        entry: The optimizer.
        case: What to do.
        device: Where.

    Returns:
        What was left, up to the exception where there was one.
    """
    with _uninitialised_as_nan(), _quiet():
        return _run(entry, case, device)


def _run(entry: Entry, case: Case, device: torch.device) -> Trail:
    trail = Trail()
    places = [Place(case, member, device) for member in case.members]
    options = build(case.options, device, case.dtype)
    switches = entry.implementations()[case.implementation]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            optimizer = entry.make(groups(case, places), **options, **switches)
        except Exception as error:
            trail.refusal = _refusal(error, -1, False)
            return trail
        take: Callable[..., Any] = optimizer.step
        if case.implementation == COMPILED:
            torch.compiler.reset()
            take = torch.compile(optimizer.step, backend=BACKEND)
        for step in range(case.steps):
            for place_ in places:
                place_.give(step)
            before = [place_.storage.clone() for place_ in places]
            bits = [None if p.bits is None else p.bits.clone() for p in places]
            versions = [place_.parameter._version for place_ in places]
            try:
                take(_closure(places, step, bits)) if entry.closure else take()
            except Exception as error:
                moved = any(
                    not _same(place_.storage, old)
                    for place_, old in zip(places, before, strict=True)
                )
                trail.refusal = _refusal(error, step, moved)
                return trail
            trail.parameters.append([p.parameter.detach().clone().cpu() for p in places])
            trail.versions.append(
                [p.parameter._version - v for p, v in zip(places, versions, strict=True)]
            )
            states = [state_of(optimizer, place_.parameter) for place_ in places]
            trail.kinds.append([{k: _kind(v) for k, v in s.items()} for s in states])
            trail.states.append(
                [{k: v.detach().clone().cpu() for k, v in s.items()} for s in states]
            )
            _look(trail, step, places, before, bits, entry.closure)
            _look_at_options(trail, step, case, options)
    return trail


@contextmanager
def _uninitialised_as_nan() -> Iterator[None]:
    """Have torch fill new memory with NaN: whoever reads it unwritten is seen every time."""
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch.compile says of graph breaks from the screen."""
    loggers = [logging.getLogger(name) for name in ("torch._dynamo", "torch._logging")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def groups(case: Case, places: list[Place]) -> list[Any]:
    """Return the parameters as the constructor takes them: a list, or groups."""
    numbers = sorted({member.group for member in case.members})
    if numbers in ([0], []):
        return [place_.parameter for place_ in places]
    return [
        {
            "params": [p.parameter for p in places if p.member.group == number],
            "lr": RATE / 2**number,
        }
        for number in numbers
    ]


def state_of(optimizer: Optimizer, parameter: Tensor) -> State:
    """Return the tensors in a parameter's state by name, those inside lists too."""
    found: State = {}
    for key, value in optimizer.state.get(parameter, {}).items():
        if isinstance(value, Tensor):
            found[key] = value
        elif isinstance(value, list):
            found.update({f"{key}[{i}]": v for i, v in enumerate(value) if isinstance(v, Tensor)})
    return found


def _look(
    trail: Trail,
    step: int,
    places: list[Place],
    before: list[Tensor],
    bits: list[Tensor | None],
    closure: bool,
) -> None:
    """Note the violations of a step."""

    def note(check: str, number: int, detail: str) -> None:
        trail.violations.append(Violation(check, step, number, detail))

    for number, (at, old, bit) in enumerate(zip(places, before, bits, strict=True)):
        written = (_raw(at.storage)[at.outside] != _raw(old)[at.outside]).any(-1)
        if written.any():
            note("outside", number, f"{int(written.sum())} elements beside it were written")
        if bit is None:
            if at.parameter.grad is not None:
                note("absent", number, "a gradient appeared where there was None")
            if not _same(at.storage, old):
                note("absent", number, "a parameter without gradient moved")
            elif step and not _same_state(
                trail.states[step][number], trail.states[step - 1][number]
            ):
                note("absent", number, "the state of a parameter without gradient changed")
            continue
        if at.parameter.grad is not at.gradient or at.bits is None:
            note("gradient", number, ".grad is another tensor than before")
        elif not _same(at.bits, bit):
            changed = int((_raw(at.bits) != _raw(bit)).any(-1).sum())
            note("gradient", number, f"{changed} elements of .grad were rewritten")
        if at.parameter.numel() and trail.versions[step][number] < 1:
            moved = not _same(at.storage, old)
            if moved:
                note("version", number, "the parameter moved and its version counter did not")


def _look_at_options(trail: Trail, step: int, case: Case, options: dict[str, Any]) -> None:
    for name, value in case.options:
        if isinstance(value, TensorValue):
            now = options[name]
            if not torch.equal(now, value.build(now.device, now.dtype)):
                trail.violations.append(
                    Violation("options", step, 0, f"the tensor passed as {name} is now {now}")
                )


def _closure(places: list[Place], step: int, bits: list[Tensor | None]) -> Callable[[], Tensor]:
    """Return what evaluates Σ|p − c|²/2, with the ordinary gradient of the step for c."""

    def evaluate() -> Tensor:
        loss = torch.zeros((), dtype=torch.float64)
        for number, at in enumerate(places):
            if at.gradient is None or at.bits is None:
                continue
            target = gradient_values(at.member, step, at.dtype).to(at.device)
            with torch.no_grad():
                difference = at.parameter - target
                _put(at.gradient, difference)
                bits[number] = at.bits.clone()
                loss = loss + difference.abs().double().square().sum().cpu() / 2
        return loss

    return evaluate


def _refusal(error: Exception, step: int, moved: bool) -> Refusal:
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    inside = Path(last).parent == Path(torch.optim.__file__).parent
    message = str(error).strip().splitlines() or [""]
    deliberate = isinstance(error, _DELIBERATE)
    return Refusal(step, type(error).__name__, message[0], deliberate, inside, moved)


def _view(shape: tuple[int, ...], placement: str) -> View:
    name = "contiguous" if placement in GRADIENT_ONLY else placement
    view = place(shape, name) or place(shape, "contiguous")
    assert view is not None
    return view


def _put(tensor: Tensor, values: Tensor) -> None:
    """Write values into a tensor whose rows may all be the same memory."""
    shared = tensor.dim() > 0 and tensor.stride(0) == 0 and tensor.size(0) > 1
    (tensor[0] if shared else tensor).copy_(values[0] if shared else values)


def _of(storage: Tensor, view: View) -> Tensor:
    return storage.as_strided(view.shape, view.stride, view.offset)


def _kind(tensor: Tensor) -> Kind:
    """Return shape, type, strides where they mean something, and device where it is free."""
    strides = tuple(
        step for size, step in zip(tensor.shape, tensor.stride(), strict=True) if size > 1
    )
    where = tensor.device.type if tensor.numel() > 1 else "any"
    return tuple(tensor.shape), tensor.dtype, strides, where


def _raw(storage: Tensor) -> Tensor:
    """Return the bytes of a storage, shape (elements, bytes of each)."""
    flat = storage.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).reshape(flat.numel(), -1) if flat.numel() else flat.view(0, 1)


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(_raw(one), _raw(other))


def _same_state(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
