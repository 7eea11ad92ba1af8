"""A finding as plain PyTorch: a script to paste, which raises where the defect is there."""

from __future__ import annotations

import builtins
import warnings
from typing import Any

import torch

from gradbench.observing.alive import alive
from gradbench.parity.cases import Case, Member
from gradbench.parity.catalogue import COMPILED, FOR_LOOP, Entry
from gradbench.parity.checks import Failure
from gradbench.parity.options import RATE, TensorValue
from gradbench.parity.position import GUARD, view_of
from gradbench.parity.trial import BACKEND

_COMPARING = ("values", "state", "unwritten", "state_kind")


def reproduce(entry: Entry, case: Case, failure: Failure, device: torch.device) -> tuple[str, bool]:
    """Write a case down and run it: against float64, or against the parameter by itself.

    Returns:
        The script, and whether it raises what it should.

    Raises:
        DeviceLost: The script, run here, has made the device unusable.
    """
    text = script(entry, case, failure, device)
    with alive(device, f"script of {case.optimizer} {case.implementation}, {failure.check}"):
        if (shown := shows(text, failure)) or len(case.members) < 2:
            return text, shown
        alone = script(entry, case, failure, device, alone=True)
        return (alone, True) if shows(alone, failure) else (text, False)


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
    lines = ["import torch", ""]
    if device.type != "cpu":
        lines += [f'torch.set_default_device("{device}")', ""]
    comparing = failure.check in _COMPARING
    lines += ["", f"def run({'wide, ' if comparing else ''}**how):"]
    wide = failure.check in ("values", "state") and not alone
    if wide:
        lines.append("    torch.set_default_dtype(torch.float64 if wide else torch.float32)")
    body = [
        line
        for number, member in enumerate(case.members)
        for line in _make(case, number, member, failure.check, wide)
    ]
    arguments = "".join(f", {name}={_text(value, case)}" for name, value in case.options)
    named = [name for name, value in case.options if isinstance(value, TensorValue)]
    listed = f"[p{failure.member}] if wide else {_list(case)}" if alone else _list(case)
    if failure.check == "options":
        name = named[0]
        body.append(f"option = {_text(dict(case.options)[name], case)}")
        arguments = arguments.replace(
            f"{name}={_text(dict(case.options)[name], case)}", f"{name}=option"
        )
    body.append(f"optimizer = torch.optim.{entry.name}({listed}{arguments}, **how)")
    if case.implementation == COMPILED:
        body.append(f'step = torch.compile(optimizer.step, backend="{BACKEND}")')
    call = "step()" if case.implementation == COMPILED else "optimizer.step()"
    if entry.closure:
        call = "optimizer.step(closure)"
    body.append(f"for t in range({case.steps}):")
    for number, member in enumerate(case.members):
        body += ["    " + line for line in _give(case, number, member, wide, entry.closure)]
    before, after = _look(case, failure)
    if entry.closure:
        body += ["    " + line for line in _closure_lines(case)]
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


def shows(text: str, failure: Failure) -> bool:
    """Run a reproduction, and say whether it raises what it should."""
    expected: Any = AssertionError
    if failure.check == "raises":
        expected = getattr(builtins, failure.kind, Exception)
    device, dtype = torch.get_default_device(), torch.get_default_dtype()
    torch.compiler.reset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(text, "<reproduction>", "exec"), {"__name__": "reproduction"})
    except Exception as error:
        return isinstance(error, expected)
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            # None rather than "cpu": a device in force costs every later call a little.
            torch.set_default_device(None if device.type == "cpu" else device)
    return False


def _make(case: Case, number: int, member: Member, check: str, wide: bool) -> list[str]:
    """Return the lines that make a parameter."""
    dtype = case.dtype_of(member)
    view = view_of(member.shape, member.parameter)
    name = f"p{number}"
    lines = [f"{name} = {_values('torch.cos(k)', member, dtype, member.parameter)}"]
    if check == "outside" or member.parameter != "contiguous":
        lines = [
            lines[0].replace(name, "values", 1),
            f"storage{number} = torch.full(({view.span},), {GUARD}, dtype={dtype})",
            f"{name} = storage{number}.as_strided({view.shape}, {view.stride}, {view.offset})"
            f"  # {member.parameter}",
            f"{name}[:1].copy_(values[:1])"
            if member.parameter == "expanded"
            else f"{name}.copy_(values)",
        ]
    if wide:
        lines.append(f"{name} = {name}.to({_wide(dtype)}).clone() if wide else {name}")
    asked = "False" if case.implementation == "differentiable" else "True"
    if wide and asked == "False":
        asked = "wide"
    return [f"k = {_count(member)}", *lines, f"{name}.requires_grad_({asked})"]


def _give(case: Case, number: int, member: Member, wide: bool, closure: bool) -> list[str]:
    """Return the lines that set a parameter's gradient."""
    dtype = case.dtype_of(member)
    formula = "torch.sin(k**2 + t + 1)"
    extra = []
    if member.values == "small":
        formula += " / 64"
    elif member.values == "zero":
        formula += " * 0"
    elif member.values == "nonfinite":
        extra = ["g.view(-1)[::2], g.view(-1)[1::4] = torch.nan, torch.inf"]
    lines = [f"k = {_count(member)}"]
    lines += [f"g = {_values(formula, member, dtype, member.gradient)}", *extra]
    kind = member.gradient
    if kind == "sparse":
        lines.append("g = g.to_sparse()")
    elif kind == "conjugated":
        lines.append("g = g.conj().resolve_conj().conj()")
    elif kind == "expanded":
        lines.append(f"g = g[:1].expand({member.shape})")
    elif kind != "contiguous":
        view = view_of(member.shape, kind)
        place_ = f"torch.full(({view.span},), torch.nan, dtype={dtype}).as_strided"
        keep = "g if wide else " if wide else ""
        lines.append(
            f"g = {keep}{place_}({view.shape}, {view.stride}, {view.offset}).copy_(g)  # {kind}"
        )
    if wide:
        lines.append(f"g = g.to({_wide(dtype)}) if wide else g")
    given = f"p{number}.grad = g"
    present = tuple(map(member.has_gradient, range(case.steps)))
    if not all(present):
        given += f" if {present}[t] else None"
    return [*lines, given, *([f"target{number} = g.clone()"] if closure else [])]


def _closure_lines(case: Case) -> list[str]:
    lines = ["def closure():", "    loss = torch.zeros((), dtype=torch.float64)"]
    for number in range(len(case.members)):
        lines += [
            f"    if p{number}.grad is not None:",
            f"        p{number}.grad.copy_(p{number}.detach() - target{number})",
            f"        loss = loss + p{number}.grad.abs().double().square().sum().cpu() / 2",
        ]
    return [*lines, "    return loss", ""]


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
        return ["before = option.clone()"], ["assert torch.equal(option, before), option"]
    return [], []


def _end(entry: Entry, case: Case, failure: Failure, alone: bool) -> list[str]:
    """Return the lines that call ``run`` and compare."""
    implementations = entry.implementations()
    how = _keywords(implementations[case.implementation])
    loop = _keywords(implementations[FOR_LOOP])
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
            f"k = {_count(member)}",
            f"start = {_values('torch.cos(k)', member, case.dtype_of(member), member.parameter)}",
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
    return [f"run({how.removeprefix(', ')})"]


def _keywords(switches: dict[str, Any]) -> str:
    return "".join(f", {name}={value}" for name, value in switches.items())


def _text(value: Any, case: Case) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(_text(part, case) for part in value) + ")"
    if isinstance(value, TensorValue) and case.dtype == torch.float64:
        return repr(value)[:-1] + ", dtype=torch.float64)"
    return repr(value)


def _list(case: Case) -> str:
    names = [f"p{number}" for number in range(len(case.members))]
    groups = sorted({member.group for member in case.members})
    if groups == [0]:
        return f"[{', '.join(names)}]"
    parts = []
    for group in groups:
        pairs = zip(names, case.members, strict=True)
        listed = ", ".join(name for name, member in pairs if member.group == group)
        parts.append(f"dict(params=[{listed}], lr={RATE / 2**group})")
    return f"[{', '.join(parts)}]"


def _count(member: Member) -> str:
    size = 1
    for length in member.shape:
        size *= length
    shift = f" + {member.seed}" if member.seed else ""
    return f"torch.arange({size}, dtype=torch.float64){shift}"


def _values(formula: str, member: Member, dtype: torch.dtype, position: str) -> str:
    if dtype.is_complex:
        formula = f"torch.complex({formula}, ({formula}).flip(0))"
    elif " " in formula:
        formula = f"({formula})"
    text = f"{formula}.to({dtype}).reshape({member.shape})"
    return f"{text}[:1].expand({member.shape})" if position == "expanded" else text


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.complex128 if dtype.is_complex else torch.float64
