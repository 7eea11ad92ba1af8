"""What must hold of an implementation after every step, and where it does not."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor

from gradbench.parity.cases import Case, starting_values
from gradbench.parity.catalogue import COMPILED, FOR_LOOP, Entry
from gradbench.parity.defined import deviations
from gradbench.parity.trial import Refusal, State, Trail, run
from gradbench.parity.truth import Truth, Truths, error, parts, state_error

BLAME = 2.0
"""An implementation is blamed for an error that is this many times the for-loop's own."""
COUNTING = ("capturable", "capturable_foreach", "differentiable", COMPILED)
"""Implementations that may keep their count in a float32 tensor and work with its powers."""
MOVED = 4.0
"""Ulps by which the truth has moved an element that an implementation has to write."""

KEPT = 64
"""For-loops remembered: those of the cases that differ only in the implementation."""

CHECKS = (
    "outside",
    "unwritten",
    "gradient",
    "absent",
    "options",
    "raises",
    "values",
    "state",
    "definition",
    "state_kind",
    "version",
)
"""Every check, gravest first: a case that fails several is listed under the first."""


class Outcome(str, Enum):
    """How a case ended."""

    agrees = "agrees"
    deviates = "deviates"
    refused = "refused"


@dataclass(frozen=True)
class Failure:
    """A check that does not hold.

    Args:
        check: Its name.
        step: The first step at which it does not, from 0.
        member: Number of the parameter.
        detail: What was seen.
        ulps: Error of the values, where the check compares values.
        half: Half of the largest absolute error, which is more than rounding explains.
        kind: Class of the exception, or name of the tensor of the state.
    """

    check: str
    step: int
    member: int
    detail: str
    ulps: float | None = None
    half: float | None = None
    kind: str = ""


@dataclass(frozen=True)
class Judgement:
    """What became of a case.

    Args:
        outcome: How it ended.
        failures: Checks that do not hold, one for each name, gravest first.
        refusal: The exception, where there was one.
        ulps: Largest error of a parameter.
        version_delta: Change of the first parameter's version counter in the first step.
    """

    outcome: Outcome
    failures: tuple[Failure, ...] = ()
    refusal: Refusal | None = None
    ulps: float = 0.0
    version_delta: int | None = None

    def failure(self, check: str) -> Failure | None:
        """Return the failure of a check, or None where it holds."""
        return next((found for found in self.failures if found.check == check), None)


@dataclass(frozen=True)
class Loop:
    """The for-loop in the case's own type, and how far it is from the truth.

    Args:
        trail: What it left.
        truths: The truth of each member; empty where float64 has none.
        errors: Per step and member, ulps of the parameter.
        state_errors: Per step and member, ulps of each tensor of the state.
    """

    trail: Trail
    truths: list[Truth]
    errors: list[list[float]]
    state_errors: list[list[dict[str, float]]]


class Judge:
    """Carries out cases of one optimizer and judges them.

    Args:
        entry: The optimizer.
        device: Where.
    """

    def __init__(self, entry: Entry, device: torch.device):
        self.entry, self.device, self.runs = entry, device, 0
        self._truths = Truths(entry)
        self._loops: dict[Case, Loop] = {}

    def judge(self, case: Case) -> Judgement:
        """Carry out a case and its for-loop, and compare both with the truth."""
        loop = self._loop(replace(case, implementation=FOR_LOOP))
        self.runs += 1
        own = case.implementation == FOR_LOOP
        trail = loop.trail if own else run(self.entry, case, self.device)
        found = [Failure(v.check, v.step, v.member, v.detail) for v in trail.violations]
        refusal = trail.refusal
        if refusal and (said := _unfit(refusal, loop.trail.refusal, own)):
            found.append(Failure("raises", refusal.step, 0, said, kind=refusal.kind))
        slack = _slack(self.entry, case) if case.implementation in COUNTING else 0.0
        ulps = _compare(trail, loop, own, slack, found)
        if not own:
            _compare_kinds(found, trail, loop.trail)
        _find_unwritten(found, case, trail, loop)
        if own:
            found += [
                Failure("definition", *where) for where in deviations(self.entry, case, loop.truths)
            ]
        first: dict[str, Failure] = {}
        for failure in sorted(found, key=lambda f: (f.step, f.member)):
            first.setdefault(failure.check, failure)
        failures = tuple(first[check] for check in CHECKS if check in first)
        outcome = Outcome.refused if refusal else Outcome.agrees
        delta = trail.versions[0][0] if trail.versions else None
        return Judgement(Outcome.deviates if failures else outcome, failures, refusal, ulps, delta)

    def _loop(self, case: Case) -> Loop:
        """Return the for-loop of a case, from the last few if it is among them."""
        if case not in self._loops:
            self._loops = dict(list(self._loops.items())[-KEPT:])
            trail = run(self.entry, case, self.device)
            truths: list[Truth] = []
            if trail.parameters:
                with suppress(Exception):  # what float64 refuses has no truth: other checks hold
                    truths = self._truths.of(case)
            errors, state_errors = [], []
            for step, values in enumerate(trail.parameters):
                pairs = list(enumerate(truths))
                errors.append([_error(truth, step, values[n]) for n, truth in pairs])
                states = trail.states[step]
                state_errors.append([_state_errors(t, step, states[n]) for n, t in pairs])
            self._loops[case] = Loop(trail, truths, errors, state_errors)
        return self._loops[case]


def _slack(entry: Entry, case: Case) -> float:
    """Return what a float32 count may cost, relative to the update.

    Rounding βᵗ to float32 changes 1 − βᵗ by ε/2 · βᵗ/(1 − βᵗ) of itself, most for t = 1. That is
    allowed in float32 and below; parameters in float64 are promised more.
    """
    given = {name: p.default for name, p in entry.parameters.items()} | dict(case.options)
    numbers = [value if isinstance(value, tuple) else (value,) for value in given.values()]
    rates = [x for value in numbers for x in value if isinstance(x, float) and 0 < x < 1]
    half = torch.finfo(torch.float32).eps / 2
    return sum(half * rate / (1 - rate) for rate in rates)


def _blamed(off: float, bound: float, loops: float, own: bool) -> bool:
    """Say whether an error is the implementation's: beyond the bound, and the for-loop's is not."""
    return off > bound and (own or (loops <= bound and off > BLAME * loops))


def _compare(trail: Trail, loop: Loop, own: bool, slack: float, found: list[Failure]) -> float:
    """Note the values that are further from the truth than they may be; return the worst."""
    worst = 0.0
    for step in range(min(len(trail.parameters), len(loop.trail.parameters))):
        for number, truth in enumerate(loop.truths):
            actual, looped = trail.parameters[step][number], loop.trail.parameters[step][number]
            loops = loop.errors[step][number]
            off = loops if torch.equal(actual, looped) else _error(truth, step, actual)
            worst = max(worst, off)
            fine = torch.finfo(truth.unit).eps
            bound = truth.tolerance[step]
            bound += (step + 1) * slack / fine if truth.unit != torch.float64 else 0.0
            if _blamed(off, bound, loops, own):
                said = f"{off:.3g} ulps from the float64 for-loop"
                said += "" if own else f"; the for-loop in this type is {loops:.3g} off"
                half = _distance(actual, truth.parameters[step]) / 2
                found.append(Failure("values", step, number, said, off, half))
            state, looped_state = trail.states[step][number], loop.trail.states[step][number]
            for name, loops in loop.state_errors[step][number].items():
                value = state.get(name)
                if value is None:
                    continue  # a matter of its kind
                same = torch.equal(value, looped_state[name])
                off = loops if same else state_error(truth, step, name, value)
                bound = truth.state_tolerance[step][name]
                if _blamed(off, bound, loops, own):
                    said = f"{name} is {off:.3g} ulps from the float64 for-loop's"
                    half = _distance(value, truth.states[step][name]) / 2
                    found.append(Failure("state", step, number, said, off, half, name))
    return worst


def _error(truth: Truth, step: int, value: Tensor) -> float:
    return error(value, truth.parameters[step], truth.scales[step], truth.unit)


def _distance(actual: Tensor, expected: Tensor) -> float:
    """Return the largest finite absolute error."""
    apart = (parts(actual) - parts(expected)).abs()
    apart = apart[apart.isfinite()]
    return float(apart.max()) if apart.numel() else 0.0


def _state_errors(truth: Truth, step: int, state: State) -> dict[str, float]:
    names = truth.state_tolerance[step].keys() & state.keys()
    return {name: state_error(truth, step, name, state[name]) for name in sorted(names)}


def _unfit(refusal: Refusal, loop: Refusal | None, own: bool) -> str | None:
    """Say what is wrong with an exception, or None where it is a proper refusal.

    A refusal is one that the for-loop makes too, or that comes before anything was done.
    """
    said = f"{refusal.kind}: {refusal.message}"
    if not own and loop and loop.step <= refusal.step:
        return None
    if refusal.moved:
        return f"{said}, after some parameters had moved"
    if refusal.step > 0:
        return f"{said}, in step {refusal.step + 1}, after {refusal.step} had gone well"
    return None if refusal.deliberate else said


def _find_unwritten(found: list[Failure], case: Case, trail: Trail, loop: Loop) -> None:
    """Note elements that the for-loop and the truth move and this one leaves as they were."""
    if not trail.parameters or not any(failure.check == "values" for failure in found):
        return
    for number, truth in enumerate(loop.truths):
        member = case.members[number]
        before = parts(starting_values(member, case.dtype_of(member)))
        now, looped = parts(trail.parameters[0][number]), parts(loop.trail.parameters[0][number])
        least = MOVED * torch.finfo(truth.unit).eps * truth.scales[0]
        due = (looped != before) & ((parts(truth.parameters[0]) - before).abs() > least)
        left = int((due & (now == before)).sum())
        if left:
            said = f"{left} of {now.numel()} numbers were not written"
            found.append(Failure("unwritten", 0, number, said))


def _compare_kinds(found: list[Failure], trail: Trail, loop: Trail) -> None:
    """Note where the state has other names, shapes, types, strides or devices."""
    for step in range(min(len(trail.kinds), len(loop.kinds))):
        for number, (mine, theirs) in enumerate(
            zip(trail.kinds[step], loop.kinds[step], strict=True)
        ):
            if mine.keys() != theirs.keys():
                said = f"state has {sorted(mine)} where the for-loop's has {sorted(theirs)}"
                found.append(Failure("state_kind", step, number, said))
                continue
            for name, kind in mine.items():
                if kind != theirs[name]:
                    said = f"{name} is {kind} where the for-loop's is {theirs[name]}"
                    found.append(Failure("state_kind", step, number, said))
