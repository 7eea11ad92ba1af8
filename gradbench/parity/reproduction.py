"""A finding as plain PyTorch: a script to paste, which raises where the defect is there."""

from __future__ import annotations

import builtins
import warnings
from typing import Any

import torch

from gradbench.observing.alive import alive
from gradbench.parity.cases import Case
from gradbench.parity.catalogue import COMPILED, FOR_LOOP, Entry
from gradbench.parity.checks import Failure
from gradbench.parity.defined import compared, source
from gradbench.parity.lines import (
    closure,
    count,
    give,
    keywords,
    listed,
    make,
    restoring,
    text,
    values,
)
from gradbench.parity.options import Options, TensorValue, in_group
from gradbench.parity.position import GUARD, view_of
from gradbench.parity.trial import BACKEND

_COMPARING = ("values", "state", "definition", "unwritten", "state_kind")


def reproduce(entry: Entry, case: Case, failure: Failure, device: torch.device) -> tuple[str, bool]:
    """Write a case down and run it: against float64, or against the parameter by itself.

    Returns:
        The script, and whether it raises what it should.

    Raises:
        DeviceLost: The script, run here, has made the device unusable.
    """
    wrote = script(entry, case, failure, device)
    with alive(device, f"script of {case.optimizer} {case.implementation}, {failure.check}"):
        among = len(case.members) > 1 or case.members[0].group
        if (shown := shows(wrote, failure)) or not among:
            return wrote, shown
        alone = script(entry, case, failure, device, alone=True)
        return (alone, True) if shows(alone, failure) else (wrote, False)


def script(
    entry: Entry, case: Case, failure: Failure, device: torch.device, alone: bool = False
) -> str:
    """Write the case down in plain PyTorch.

    Args:
        entry: The optimizer.
        case: The smallest that fails.
        failure: The check that it fails.
        device: Where.
        alone: Whether the parameter by itself is the reference, rather than float64.

    Returns:
        Python that raises AssertionError where the check fails, or the exception itself where
        the defect is an exception.
    """
    defining = failure.check == "definition"
    lines = source(entry) if defining else ["import torch", ""]
    lines[:0] = ["import copy", ""] if case.restored else []
    if device.type != "cpu":
        lines += [f'torch.set_default_device("{device}")', ""]
    comparing = failure.check in _COMPARING
    lines += ["", f"def run({'wide, ' if comparing else ''}**how):"]
    wide = failure.check in ("values", "state", "definition") and not alone
    if wide:
        lines.append("    torch.set_default_dtype(torch.float64 if wide else torch.float32)")
    body = [
        line
        for number, member in enumerate(case.members)
        for line in make(case, number, member, failure.check, wide)
    ]
    arguments = _arguments(case.options, case)
    if failure.check == "options":
        name, value = next(pair for pair in case.options if _tensors(pair[1]))
        body.append(f"option = {text(value, case)}")
        arguments = arguments.replace(f"{name}={text(value, case)}", f"{name}=option")
    made = f"torch.optim.{entry.name}({listed(entry, case)}{arguments}, **how)"
    if alone:
        number = failure.member
        own = _arguments(in_group(entry, case.options, case.members[number].group), case)
        made = f"torch.optim.{entry.name}([p{number}]{own}, **how) if wide else {made}"
    body.append(f"optimizer = {made}")
    if defining:
        body.append("state, count = {}, 0")
    if case.implementation == COMPILED:
        body.append(f'step = torch.compile(optimizer.step, backend="{BACKEND}")')
    call = "step()" if case.implementation == COMPILED else "optimizer.step()"
    if entry.closure:
        call = "optimizer.step(closure)"
    body.append(f"for t in range({case.steps}):")
    for number, member in enumerate(case.members):
        body += ["    " + line for line in give(case, number, member, wide, entry.closure)]
    before, after = compared(entry, case, failure.member) if defining else _look(case, failure)
    body += ["    " + line for line in restoring(entry, case, listed(entry, case), comparing)]
    if entry.closure:
        body += ["    " + line for line in closure(case)]
    body += ["    " + line for line in (*before, call, *after)]
    number = failure.member
    if comparing:
        returned = f"p{number}.detach()"
        if failure.check == "state":
            returned = f'optimizer.state[p{number}]["{failure.kind}"]'
        elif failure.check == "state_kind":
            returned = f"optimizer.state[p{number}]"
        body.append(f"return {returned}")
    lines += ["    " + line for line in body]
    lines += ["", "", *_end(entry, case, failure, alone)]
    if alone:
        lines = [line.replace("wide", "alone") for line in lines]
    return "\n".join(lines) + "\n"


def _arguments(options: Options, case: Case) -> str:
    return "".join(f", {name}={text(value, case)}" for name, value in options)


def _tensors(value: Any) -> bool:
    several = value if isinstance(value, tuple) else (value,)
    return any(isinstance(one, TensorValue) for one in several)


def shows(wrote: str, failure: Failure) -> bool:
    """Run a reproduction, and say whether it raises what it should."""
    expected: Any = AssertionError
    if failure.check == "raises":
        expected = getattr(builtins, failure.kind, Exception)
    device, dtype = torch.get_default_device(), torch.get_default_dtype()
    torch.compiler.reset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(wrote, "<reproduction>", "exec"), {"__name__": "reproduction"})
    except Exception as error:
        return isinstance(error, expected)
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            # None rather than "cpu": a device in force costs every later call a little.
            torch.set_default_device(None if device.type == "cpu" else device)
    return False


def _look(case: Case, failure: Failure) -> tuple[list[str], list[str]]:
    """Return the lines before and after a step that look at what may not happen."""
    p = f"p{failure.member}"
    if failure.check == "gradient":
        return (
            [f"g, before = {p}.grad, {p}.grad.clone()"],
            [
                f"same = {p}.grad is g and torch.equal(torch.nan_to_num(g.to_dense()), "
                "torch.nan_to_num(before.to_dense()))",
                f'assert same, f".grad was {{before}} and is {{{p}.grad}}"',
            ],
        )
    if failure.check == "version":
        return (
            [f"version, before = {p}._version, {p}.detach().clone()"],
            [
                f'assert {p}._version > version or torch.equal({p}, before), "moved, same version"',
            ],
        )
    if failure.check == "outside":
        view = view_of(case.members[failure.member].shape, case.members[failure.member].parameter)
        return (
            [],
            [
                f"around = storage{failure.member}.clone()",
                f"around.as_strided({view.shape}, {view.stride}, {view.offset}).fill_({GUARD})",
                f'assert bool((around == {GUARD}).all()), f"written: {{around}}"',
            ],
        )
    if failure.check == "absent":
        return (
            [f"before, given = {p}.detach().clone(), {p}.grad is not None"],
            [f'assert given or torch.equal({p}, before), "moved without a gradient"'],
        )
    if failure.check == "options":
        return ["before = repr(option)"], ["assert repr(option) == before, option"]
    return [], []


def _end(entry: Entry, case: Case, failure: Failure, alone: bool) -> list[str]:
    """Return the lines that call ``run`` and compare."""
    implementations = entry.implementations()
    how = keywords(implementations[case.implementation])
    loop = keywords(implementations[FOR_LOOP])
    if failure.check in ("values", "state"):
        bound = failure.half or 0.0
        loop = how if alone else loop
        return [
            f"one, other = run(False{how}), run(True{loop})",
            "one = one.to(other.dtype)",
            f"assert torch.allclose(one, other, rtol=0, atol={bound:.1g}), "
            'f"{one} instead of {other}"',
        ]
    if failure.check == "unwritten":
        member = case.members[failure.member]
        return [
            f"k = {count(member)}",
            f"start = {values('torch.cos(k)', member, case.dtype_of(member), member.parameter)}",
            f"one, other = run(False{how}), run(False{loop})",
            "left = (one == start) & (other != start)",
            'assert not left.any(), f"{int(left.sum())} of {left.numel()} elements not written"',
        ]
    if failure.check == "state_kind":
        return [
            f"one, other = run(False{how}), run(False{loop})",
            "kind = lambda state: {k: (v.dtype, v.shape, v.stride()) for k, v in state.items()"
            " if torch.is_tensor(v)}",
            'assert kind(one) == kind(other), f"{kind(one)} instead of {kind(other)}"',
        ]
    if failure.check == "definition":
        return [f"run(True{how})"]
    return [f"run({how.removeprefix(', ')})"]
