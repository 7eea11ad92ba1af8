"""Failures gathered into findings: one for each defect, with its smallest case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch

from gradbench.parity.cases import STEPS, Case, Member
from gradbench.parity.catalogue import FOR_LOOP
from gradbench.parity.checks import Failure, Judge, Judgement
from gradbench.parity.minimise import minimise

CHAIN = ("outside", "unwritten", "raises", "values", "state", "definition")
"""Checks of which one defect fails several: only the gravest counts."""

ROUNDS = 8
"""Smallest cases looked for at most per implementation and check of an optimizer."""

CONSEQUENCES = {
    "outside": "Memory that is not the parameter's is overwritten: other slices of the tensor that"
    " the parameter is a view of, or whatever lies behind it, change without a word.",
    "unwritten": "Elements of the parameter never move: the model trains only a part of its"
    " weights, and nothing says so.",
    "gradient": "After step() .grad is no longer the gradient: norms and logs taken then, gradients"
    " accumulated without zeroing, and a second step on the same gradients are wrong.",
    "absent": "A parameter without gradient changes: what was frozen, unused or skipped by setting"
    " .grad to None is trained all the same.",
    "options": "A tensor passed as hyperparameter is overwritten: the next step, or another"
    " optimizer that shares it, uses another value than was set.",
    "raises": "Training ends with an exception where the for-loop goes on, or with one that does"
    " not say what is not supported.",
    "values": "Parameters are updated by another amount than the optimizer defines: the run"
    " differs from what the same options give in the for-loop or in exact arithmetic.",
    "state": "The optimizer's state differs from what it defines, and every later step with it.",
    "definition": "The for-loop does not do what is documented, and neither does what follows it.",
    "state_kind": "A state_dict saved by this implementation has other entries, shapes or types"
    " than the for-loop's: loading it into another one converts it or fails.",
    "version": "Autograd does not see that the parameter changed: a backward through a graph built"
    " before the step gives silently wrong gradients where it should raise an error.",
}
"""What follows from a check that fails, in words."""


@dataclass(frozen=True)
class Finding:
    """A defect: its smallest case, and where else it shows.

    Args:
        case: The smallest.
        failure: The check that it fails, and how.
        version_delta: Change of the version counter there.
        places: Other combinations: ``optimizer implementation type layout``, sorted.
        optimizers: Every optimizer that has it.
        dtypes: Every type that has it.
        implementations: Every implementation that has it.
    """

    case: Case
    failure: Failure
    version_delta: int | None
    places: frozenset[str]
    optimizers: frozenset[str]
    dtypes: frozenset[str]
    implementations: frozenset[str]


def symptoms(judgement: Judgement) -> list[Failure]:
    """Return the failures of a case that do not follow from a graver one."""
    chained = [failure for failure in judgement.failures if failure.check in CHAIN]
    free = [failure for failure in judgement.failures if failure.check not in CHAIN]
    return chained[:1] + free


def explain(judge: Judge, failing: Iterable[tuple[Case, Failure]]) -> list[Finding]:
    """Find the smallest cases behind the failures of one optimizer.

    The first case that fails, gravest check first, is made as small as it gets; every other of
    the same implementation that has all that this one needs is the same finding, and the next
    that has not is made small in turn.

    Args:
        judge: Of the optimizer.
        failing: Cases and the checks that they fail, plainest first.

    Returns:
        The findings.
    """
    buckets: dict[tuple[str, str], list[tuple[Case, str]]] = {}
    for case, failure in failing:
        kind = "" if failure.check in CHAIN else failure.check
        buckets.setdefault((case.implementation, kind), []).append((case, failure.check))
    found: list[Finding] = []
    for pairs in buckets.values():
        left = sorted(pairs, key=lambda pair: CHAIN.index(pair[1]) if pair[1] in CHAIN else 0)
        small_ones: dict[object, int] = {}
        while left and len(small_ones) < ROUNDS:
            first, check = left[0]
            small = minimise(first, _fails(judge, check), not judge.entry.closure)
            judgement = judge.judge(small)
            shown = judgement.failure(check)
            if shown is None:  # it does not fail every time
                left = left[1:]
                continue
            same = [case for case, said in left if _alike(case, said, small, first, check)]
            left = [(case, said) for case, said in left if case not in same]
            finding = _finding(small, shown, judgement.version_delta, same)
            need = (_needs(finding), small.dtype)
            if need in small_ones:
                number = small_ones[need]
                found[number] = _by([found[number], finding], lambda _: 0)[0]
            else:
                small_ones[need] = len(found)
                found.append(finding)
    return found


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """Make one finding of those that differ in optimizer, type or implementation only.

    First over types within an optimizer, then over optimizers that have it in the same types,
    then over implementations where the for-loop has it too.
    """
    merged = _by(list(findings), lambda f: (f.case.optimizer, f.case.implementation, _needs(f)))
    merged = _by(merged, lambda f: (f.case.implementation, _types(f), _needs(f)))
    loops = {(f.optimizers, _needs(f)) for f in merged if f.case.implementation == FOR_LOOP}
    return _by(
        merged,
        lambda f: (
            FOR_LOOP if (f.optimizers, _needs(f)) in loops else f.case.implementation,
            f.optimizers,
            _types(f),
            _needs(f),
        ),
    )


def _by(findings: list[Finding], key: Callable[[Finding], object]) -> list[Finding]:
    groups: dict[object, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(key(finding), []).append(finding)
    return [
        replace(
            group[0],
            places=frozenset().union(*(f.places for f in group)),
            optimizers=frozenset().union(*(f.optimizers for f in group)),
            dtypes=frozenset().union(*(f.dtypes for f in group)),
            implementations=frozenset().union(*(f.implementations for f in group)),
        )
        for group in groups.values()
    ]


def _finding(small: Case, failure: Failure, version_delta: int | None, same: list[Case]) -> Finding:
    return Finding(
        small,
        failure,
        version_delta,
        frozenset(_place(case) for case in same),
        frozenset([small.optimizer]),
        frozenset(_name(case.dtype) for case in (small, *same) if _is(case, small)),
        frozenset([small.implementation]),
    )


def _fails(judge: Judge, check: str) -> Callable[[Case], bool]:
    def fails(case: Case) -> bool:
        return any(failure.check == check for failure in symptoms(judge.judge(case)))

    return fails


def _alike(case: Case, said: str, small: Case, first: Case, check: str) -> bool:
    """Say whether a case is another of what the first was before it was made small."""
    same_list = (case.layout, case.dtype, said) == (first.layout, first.dtype, check)
    return _contains(case, small) or (same_list and set(first.options) <= set(case.options))


def _contains(case: Case, small: Case) -> bool:
    """Say whether a case has all that a small one needs to fail."""
    if not set(small.options) <= set(case.options):
        return False
    needed = {small.dtype_of(member) for member in small.members} - {torch.float32}
    if not needed <= {case.dtype_of(member) for member in case.members}:
        return False
    return _features(small) <= _features(case)


def _features(case: Case) -> set[tuple[str, object]]:
    """Return what is not plain about the members of a case."""
    found = {feature for member in case.members for feature in _of(member)}
    return found | {("restored", True)} if case.restored else found


def _of(member: Member) -> Iterable[tuple[str, object]]:
    for side in ("parameter", "gradient"):
        if getattr(member, side) != "contiguous":
            yield side, getattr(member, side)
    if member.values != "ordinary":
        yield "values", member.values
    if member.group:
        yield "group", True
    if 0 in member.shape:
        yield "shape", "empty"
    if member.present != (True,) * STEPS:
        yield "present", member.present


def _needs(finding: Finding) -> tuple[object, ...]:
    case = finding.case
    names = frozenset(name for name, _ in case.options)
    return finding.failure.check, names, frozenset(_features(case))


def _types(finding: Finding) -> frozenset[str]:
    """Return the types that a defect is about: none where the plainest type has it too."""
    return frozenset() if finding.case.dtype == torch.float32 else finding.dtypes


def _is(case: Case, small: Case) -> bool:
    return _contains(case, replace(small, dtype=case.dtype))


def _place(case: Case) -> str:
    return f"{case.optimizer} {case.implementation} {_name(case.dtype)} {case.layout}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
