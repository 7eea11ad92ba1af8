"""The float64 for-loop's path, and how far from it a right implementation may be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradbench.parity.cases import Case, Member, gradient_values, starting_values
from gradbench.parity.catalogue import FOR_LOOP, Entry
from gradbench.parity.options import Options, build, in_group
from gradbench.parity.trial import State, state_of
from gradbench.verify.ulps import ulp_error

Members = tuple[Member, ...]

CONFIDENCE = 5.0
"""λ of the tolerance: each rounding exceeds its bound with probability 2·exp(−λ²/2) ≈ 7e-6."""

_EXACT = {"detach", "clone", "copy_", "view_as_real", "view_as_complex", "_to_copy", "zeros_like"}
_ROUNDINGS_PER_OPERATION = 3  # addcdiv: a product, a quotient and a sum


@dataclass(frozen=True)
class Truth:
    """What a parameter and its state should be after each step, and how well that can be told.

    Args:
        parameters: float64 (or complex128) values after each step.
        states: The same for the state's tensors.
        scales: Per step and element, the largest magnitude that went into the parameter.
        tolerance: Per step, the ulps that a right parameter may be off.
        state_tolerance: Per step and name, the same for the state.
        unit: The type whose ulps are counted: the coarsest that the for-loop computes in.
    """

    parameters: list[Tensor]
    states: list[State]
    scales: list[Tensor]
    tolerance: list[float]
    state_tolerance: list[dict[str, float]]
    unit: torch.dtype


class Truths:
    """Truths worked out once each: implementations and positions share them.

    Args:
        entry: The optimizer.
    """

    def __init__(self, entry: Entry):
        self.entry = entry
        self._known: dict[tuple[Options, int, tuple[torch.dtype, ...], Members], list[Truth]] = {}

    def of(self, case: Case) -> list[Truth]:
        """Return the truth of each of a case's members."""
        members = tuple(map(_plain, case.members))
        alone = [members] if self.entry.closure else [(member,) for member in members]
        return [found for together in alone for found in self._of(case, together)]

    def _of(self, case: Case, members: Members) -> list[Truth]:
        dtypes = tuple(case.dtype_of(member) for member in members)
        key = (case.options, case.steps, dtypes, members)
        if key not in self._known:
            self._known[key] = truth(self.entry, case, members)
        return self._known[key]


def truth(entry: Entry, case: Case, members: Members) -> list[Truth]:
    """Follow the float64 for-loop on contiguous parameters, and derive the tolerance.

    The ρ operations that the for-loop dispatches per parameter are counted as it runs, each for
    three roundings; in K steps a change has seen those of its own step and of the steps before
    it, n = ρK(K+1)/2 + K in all. Roundings are independent to a good approximation, so that n of
    them add to at most λ√n units u = ulp/2. What the mathematics makes of a rounding is measured
    rather than bounded: the same path is followed with gradients half an ulp off and parameters
    and state rounded to the type after every step, and again with every hyperparameter ε of the
    type (at most of float32, in which counts and rates may be kept) off; where either alone moves
    the result by E > 1 ulp the tolerance is E times as large:

        tolerance = λ/2 · √n · max(1, E) ulps.

    The for-loop keeps its counts in the default type, which is float64 here. It shares no tensor
    between parameters, so each is followed alone; an optimizer that needs a closure treats all as
    one vector and is followed on the whole list.

    Args:
        entry: The optimizer.
        case: Options, types and steps; its implementation and positions do not matter.
        members: The parameters to follow together.

    Returns:
        The truth of each member.

    Source: Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis, 2019.
    """
    with _default_float64():
        counter = _Counter()
        paths, states = _follow(entry, case, members, counter, None)
        own = max((case.dtype_of(member).to_real() for member in members), key=_epsilon)
        unit = max((own, counter.coarsest), key=_epsilon)
        rounded, rounded_states = _follow(entry, case, members, None, unit)
        least = min(_epsilon(unit), _epsilon(torch.float32))
        shifted, _ = _follow(entry, case, members, None, None, least)
    operations = counter.operations / len(members) * _ROUNDINGS_PER_OPERATION
    found = []
    for number, member in enumerate(members):
        mine = [step[number] for step in paths]
        scales = _scales(starting_values(member, case.dtype_of(member)), mine)
        kept = [step[number] for step in states]
        bounds, state_bounds = [], []
        for step in range(len(mine)):
            count = operations * (step + 1) * (step + 2) / 2 + step + 1
            bound = CONFIDENCE / 2 * math.sqrt(count)
            lost = error(rounded[step][number], mine[step], scales[step], unit)
            moved = error(shifted[step][number], mine[step], scales[step], unit)
            bounds.append(bound * max(1.0, lost, moved))
            losses = {
                name: error(
                    rounded_states[step][number][name], value, state_scale(kept, name), unit
                )
                for name, value in kept[step].items()
                if name in rounded_states[step][number]
            }
            judged = {} if entry.closure else losses  # a search's memory is its own affair
            state_bounds.append({name: bound * max(1.0, loss) for name, loss in judged.items()})
        found.append(Truth(mine, kept, scales, bounds, state_bounds, unit))
    return found


def error(actual: Tensor, expected: Tensor, scale: Tensor, unit: torch.dtype) -> float:
    """Return the largest error in ulps; where neither is finite it is zero.

    Args:
        actual: What was computed, any floating or complex type.
        expected: The truth, of its shape.
        scale: Magnitudes, real, of the shape of the real view of ``expected``, or one number.
        unit: The type whose ulps count.

    Returns:
        Ulps; infinite where one is finite and the other is not.
    """
    if actual.shape != expected.shape:
        return math.inf
    one, other = parts(actual), parts(expected)
    same = (one == other) | ~(one.isfinite() | other.isfinite())
    scale = scale.expand_as(other)
    return ulp_error(one[~same], other[~same], scale[~same].nan_to_num(1.0, 1.0), unit)


def state_error(truth_: Truth, step: int, name: str, actual: Tensor) -> float:
    """Return the largest error of a tensor of the state, in ulps of its largest element."""
    expected = truth_.states[step][name]
    return error(actual, expected, state_scale(truth_.states, name), truth_.unit)


def parts(tensor: Tensor) -> Tensor:
    """Return a tensor in float64 on the host, real and imaginary parts side by side."""
    tensor = tensor.detach().cpu()
    tensor = tensor.to_dense() if tensor.is_sparse else tensor
    tensor = tensor.resolve_conj()
    return torch.view_as_real(tensor).double() if tensor.is_complex() else tensor.double()


class _Counter(TorchDispatchMode):
    """Counts the operations that round, and the coarsest type that they round to."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations, self.coarsest = 0, torch.float64

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        exact = func.is_view or func.overloadpacket.__name__ in _EXACT
        if isinstance(result, Tensor) and result.is_floating_point():
            self.coarsest = max((self.coarsest, result.dtype), key=_epsilon)
            self.operations += not exact
        return result


def _follow(
    entry: Entry,
    case: Case,
    members: Members,
    counter: _Counter | None,
    unit: torch.dtype | None,
    hyper: float = 0.0,
) -> tuple[list[list[Tensor]], list[list[State]]]:
    """Take the steps in float64.

    With a unit, change the gradients by half of it and round parameters and state to it; with a
    ``hyper``, change every hyperparameter by that much of itself.
    """
    dtypes = [case.dtype_of(member) for member in members]
    wide = [torch.complex128 if dtype.is_complex else torch.float64 for dtype in dtypes]
    parameters = [
        starting_values(member, dtype).to(wider).clone().contiguous().requires_grad_()
        for member, dtype, wider in zip(members, dtypes, wide, strict=True)
    ]
    mine = replace(case, options=in_group(entry, case.options, members[0].group))
    options = numbers(entry, mine, dtypes[0], hyper)
    optimizer = entry.make(parameters, **options, **entry.implementations()[FOR_LOOP])
    paths: list[list[Tensor]] = []
    states: list[list[State]] = []
    for step in range(case.steps):
        targets = [
            gradient_values(m, step, dtype).to(wider)
            for m, dtype, wider in zip(members, dtypes, wide, strict=True)
        ]
        for parameter, member, target in zip(parameters, members, targets, strict=True):
            gradient = target
            if unit is not None:
                gradient = gradient + _shake(gradient, unit)
            kept_as = gradient.to_sparse() if member.gradient == "sparse" else gradient
            parameter.grad = kept_as.clone() if member.has_gradient(step) else None

        def closure(targets: list[Tensor] = targets) -> Tensor:
            loss = torch.zeros(())
            for parameter, target in zip(parameters, targets, strict=True):
                if parameter.grad is not None:
                    parameter.grad = parameter.detach() - target
                    loss = loss + parameter.grad.abs().square().sum() / 2
            return loss

        arguments: list[Any] = [closure] if entry.closure else []
        given = any(member.has_gradient(step) for member in members)
        if counter and given and not counter.operations:
            with counter:
                optimizer.step(*arguments)
        else:
            optimizer.step(*arguments)
        kept = [state_of(optimizer, parameter) for parameter in parameters]
        if unit is not None:
            for parameter, state in zip(parameters, kept, strict=True):
                for tensor in (parameter, *state.values()):
                    if tensor.shape == parameter.shape or tensor.numel() > 1:
                        _round(tensor, unit)
        paths.append([parameter.detach().clone() for parameter in parameters])
        states.append([{k: v.detach().clone() for k, v in state.items()} for state in kept])
    return paths, states


@contextmanager
def _default_float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def numbers(entry: Entry, case: Case, dtype: torch.dtype, hyper: float) -> dict[str, Any]:
    """Return every option that is a number or several, changed by ``hyper`` of itself.

    None inside a tuple is the type's ε, which is what Adafactor documents it to mean.
    """

    def number(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(_epsilon(dtype.to_real()) if x is None else number(x) for x in value)
        return value * (1 + hyper) if isinstance(value, float) and hyper else value

    given = dict(case.options)
    for name, parameter in entry.parameters.items():
        if name not in given and isinstance(parameter.default, float | tuple):
            given[name] = parameter.default
    built = build(tuple(given.items()), dtype=torch.float64)
    return {name: number(value) for name, value in built.items()}


def _shake(gradient: Tensor, unit: torch.dtype) -> Tensor:
    """Return ±ε/2 of each element, the sign from element to element as in cos(3k)."""
    count = torch.arange(gradient.numel(), dtype=torch.float64).reshape(gradient.shape)
    return gradient * torch.cos(3 * count).sign() * (_epsilon(unit) / 2)


def _round(tensor: Tensor, unit: torch.dtype) -> None:
    with torch.no_grad():
        if tensor.is_complex():
            real = torch.view_as_real(tensor)
            real.copy_(real.to(unit).to(real.dtype))
        else:
            tensor.copy_(tensor.to(unit).to(tensor.dtype))


def _scales(start: Tensor, path: list[Tensor]) -> list[Tensor]:
    """Return max over steps of |p| and of Σ|Δp|, per step."""
    before, found = parts(start), list[Tensor]()
    scale, travelled = before.abs(), torch.zeros_like(before)
    for value in map(parts, path):
        travelled = travelled + (value - before).abs()
        scale, before = torch.maximum(torch.maximum(scale, value.abs()), travelled), value
        found.append(scale)
    return found


def state_scale(states: list[State], name: str) -> Tensor:
    """Return the largest finite magnitude that a tensor of the state ever has."""
    seen = [parts(state[name]).abs().reshape(-1) for state in states if name in state]
    values = torch.cat(seen)
    values = values[values.isfinite()]
    return values.max() if values.numel() else torch.ones(())


def _epsilon(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).eps


def _plain(member: Member) -> Member:
    """Return the member with the positions that do not change its values left out."""
    parameter = member.parameter if member.parameter == "expanded" else "contiguous"
    gradient = member.gradient if member.gradient in ("expanded", "sparse") else "contiguous"
    return replace(member, parameter=parameter, gradient=gradient)
