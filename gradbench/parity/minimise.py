"""The smallest case that still fails the same check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from gradbench.parity.cases import STEPS, Case, Member
from gradbench.parity.position import POSITIONS, place

TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64)
"""Every type that is tried, plainest first."""

TRIALS = 150
"""Cases carried out at most to make one smaller."""

PLAIN = "matrices"


def minimise(case: Case, fails: Callable[[Case], bool], retype: bool = True) -> Case:
    """Take away from a failing case what it does not need to fail.

    Greedy: of the simpler cases next to it the first that fails is taken, until none does; first
    fewer parameters, steps and options, then plainer types, positions and gradients, then
    smaller shapes.

    Args:
        case: Fails.
        fails: Whether a case fails the same check.
        retype: Whether plainer types are tried.

    Returns:
        A case that fails, of which no simpler neighbour does (or ``TRIALS`` were carried out).
    """
    left = TRIALS
    while left:
        for simpler in _simpler(case, retype):
            left -= 1
            if fails(simpler):
                case = simpler
                break
            if not left:
                break
        else:
            break
    return case


def _simpler(case: Case, retype: bool) -> Iterator[Case]:
    members = case.members
    if len(members) > 2:
        yield from (replace(case, members=(member,)) for member in members)
        half = len(members) // 2
        yield from (replace(case, members=part) for part in (members[:half], members[half:]))
    if len(members) > 1:
        for number in range(len(members)):
            yield replace(case, members=members[:number] + members[number + 1 :])
    for steps in range(1, case.steps):
        yield replace(case, steps=steps)
    if case.restored:
        yield replace(case, restored=False)
    for name in range(len(case.options)):
        if case.options[name][0] != "lr":
            yield replace(case, options=case.options[:name] + case.options[name + 1 :])
    own = {member.dtype for member in members if member.dtype is not None}
    for dtype in sorted(own, key=TYPES.index):
        yield replace(
            case, dtype=dtype, members=tuple(replace(member, dtype=None) for member in members)
        )
    for dtype in TYPES[: TYPES.index(case.dtype)] if retype else ():
        yield replace(case, dtype=dtype)
    for number, member in enumerate(members):
        for simpler in _plainer(member):
            yield replace(case, members=(*members[:number], simpler, *members[number + 1 :]))


def _plainer(member: Member) -> Iterator[Member]:
    always = (True,) * STEPS
    if member.dtype is not None:
        yield replace(member, dtype=None)
    if member.present != always:
        yield replace(member, present=always)
    if member.values != "ordinary":
        yield replace(member, values="ordinary")
    if member.group:
        yield replace(member, group=0)
    if member.seed:
        yield replace(member, seed=0)
    for side in ("parameter", "gradient"):
        now = getattr(member, side)
        rank = POSITIONS.index(now) if now in POSITIONS else 1
        for simpler in POSITIONS[:rank]:
            if place(member.shape, simpler):
                if side == "parameter":
                    yield replace(member, parameter=simpler)
                else:
                    yield replace(member, gradient=simpler)
    for shape in _smaller(member.shape):
        positions = (p for p in (member.parameter, member.gradient) if p in POSITIONS)
        if all(place(shape, position) for position in positions):
            yield replace(member, shape=shape)


def _smaller(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for number, size in enumerate(shape):
        for smaller in dict.fromkeys((1, 2, size // 4, size // 2, size - 1)):
            if 0 < smaller < size:
                yield (*shape[:number], smaller, *shape[number + 1 :])
