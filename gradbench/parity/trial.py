"""One case carried out: what the optimizer left in memory after each step."""

from __future__ import annotations

import copy
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradbench.observing.alive import alive
from gradbench.observing.writes import writes_of
from gradbench.parity.cases import Case
from gradbench.parity.catalogue import COMPILED, Entry
from gradbench.parity.guarded import Place, gradient_on, host, outside, put, raw, same
from gradbench.parity.options import RATE, TensorValue, build, in_group

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


def run(entry: Entry, case: Case, device: torch.device) -> Trail:
    """Take the case's steps and look at everything that the optimizer may or may not touch.

    Args:
        entry: The optimizer.
        case: What to do.
        device: Where.

    Returns:
        What was left, up to the exception where there was one.

    Raises:
        DeviceLost: The device is lost; what the case left says nothing.
    """
    name = f"{case.optimizer} {case.implementation} {case.dtype} {case.layout} {case.options}"
    with alive(device, name), _uninitialised_as_nan(), _quiet():
        return _run(entry, case, device)


def _run(entry: Entry, case: Case, device: torch.device) -> Trail:
    trail = Trail()
    places = [Place(case, member, device) for member in case.members]
    options = build(case.options, device, case.dtype)
    switches = entry.implementations()[case.implementation]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            optimizer = entry.make(groups(entry, case, places), **options, **switches)
        except Exception as error:
            trail.refusal = _refusal(error, -1, False)
            return trail
        take: Callable[..., Any] = optimizer.step
        if case.implementation == COMPILED:
            torch.compiler.reset()
            take = torch.compile(optimizer.step, backend=BACKEND)
        for step in range(case.steps):
            if case.restores_at(step):
                try:
                    optimizer = restored(entry, optimizer, case, places)
                except Exception as error:
                    trail.refusal = _refusal(error, step, False)
                    return trail
                take = optimizer.step
            for place_ in places:
                place_.give(step)
            before = [host(place_.storage) for place_ in places]
            bits = [None if p.bits is None else host(p.bits) for p in places]
            versions = [writes_of(place_.parameter) for place_ in places]
            try:
                take(_closure(places, step, bits)) if entry.closure else take()
                if device.type == "cuda":  # what a kernel raises is this step's, not a later one's
                    torch.cuda.synchronize(device)
            except Exception as error:
                moved = any(
                    not same(host(place_.storage), old)
                    for place_, old in zip(places, before, strict=True)
                )
                trail.refusal = _refusal(error, step, moved)
                return trail
            trail.parameters.append([host(p.parameter) for p in places])
            trail.versions.append(
                [writes_of(p.parameter) - v for p, v in zip(places, versions, strict=True)]
            )
            states = [state_of(optimizer, place_.parameter) for place_ in places]
            trail.kinds.append([{k: _kind(v) for k, v in s.items()} for s in states])
            trail.states.append([{k: host(v) for k, v in s.items()} for s in states])
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


def groups(entry: Entry, case: Case, places: list[Place]) -> list[Any]:
    """Return the parameters as the constructor takes them: a list, or groups with options."""
    numbers = sorted({member.group for member in case.members})
    if numbers in ([0], []):
        return [place_.parameter for place_ in places]
    device = places[0].device
    return [
        {
            "params": [p.parameter for p in places if p.member.group == number],
            **build(in_group(entry, case.options, number), device, case.dtype),
        }
        for number in numbers
    ]


def restored(entry: Entry, optimizer: Optimizer, case: Case, places: list[Place]) -> Optimizer:
    """Return another optimizer of the same parameters, with other options, that took the state."""
    alone = replace(case, options=())
    rate = {"lr": 2 * RATE} if "lr" in entry.parameters else {}
    switches = entry.implementations()[case.implementation]
    other = entry.make(groups(entry, alone, places), **rate, **switches)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return other


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
        now, beside = host(at.storage), outside(at.view)
        if at.earlier is not None and at.kept is not None and not same(host(at.earlier), at.kept):
            note("gradient", number, "the gradient of the step before was rewritten")
        written = (raw(now)[beside] != raw(old)[beside]).any(-1)
        if written.any():
            note("outside", number, f"{int(written.sum())} elements beside it were written")
        if bit is None:
            if at.parameter.grad is not None:
                note("absent", number, "a gradient appeared where there was None")
            if not same(now, old):
                note("absent", number, "a parameter without gradient moved")
            elif step and not _same_state(
                trail.states[step][number], trail.states[step - 1][number]
            ):
                note("absent", number, "the state of a parameter without gradient changed")
            continue
        if at.parameter.grad is not at.gradient or at.bits is None:
            note("gradient", number, ".grad is another tensor than before")
        elif not same(left := host(at.bits), bit):
            changed = int((raw(left) != raw(bit)).any(-1).sum())
            note("gradient", number, f"{changed} elements of .grad were rewritten")
        if at.parameter.numel() and trail.versions[step][number] < 1 and not same(now, old):
            note("version", number, "the parameter moved and its version counter did not")


def _look_at_options(trail: Trail, step: int, case: Case, options: dict[str, Any]) -> None:
    for name, given in case.options:
        several = isinstance(given, tuple)
        pairs = zip(given, options[name], strict=True) if several else [(given, options[name])]
        for value, now in pairs:
            if isinstance(value, TensorValue) and not torch.equal(
                now, value.build(now.device, now.dtype)
            ):
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
            target = gradient_on(at.member, step, at.dtype, at.device)
            with torch.no_grad():
                difference = at.parameter - target
                put(at.gradient, difference)
                bits[number] = host(at.bits)
                loss = loss + difference.abs().double().square().sum().cpu() / 2
        return loss

    return evaluate


def _refusal(error: Exception, step: int, moved: bool) -> Refusal:
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    inside = Path(last).parent == Path(torch.optim.__file__).parent
    message = str(error).strip().splitlines() or [""]
    deliberate = isinstance(error, _DELIBERATE)
    return Refusal(step, type(error).__name__, message[0], deliberate, inside, moved)


def _kind(tensor: Tensor) -> Kind:
    """Return shape, type, strides where they mean something, and device where it is free."""
    strides = tuple(
        step for size, step in zip(tensor.shape, tensor.stride(), strict=True) if size > 1
    )
    where = tensor.device.type if tensor.numel() > 1 else "any"
    return tuple(tensor.shape), tensor.dtype, strides, where


def _same_state(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
