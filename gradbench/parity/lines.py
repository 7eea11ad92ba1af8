"""Lines of a script in plain PyTorch: parameters, gradients and options of a case."""

from __future__ import annotations

from typing import Any

import torch

from gradbench.parity.cases import FACTORS, Case, Member
from gradbench.parity.catalogue import Entry
from gradbench.parity.options import RATE, TensorValue, in_group
from gradbench.parity.position import GUARD, view_of


def make(case: Case, number: int, member: Member, check: str, wide: bool) -> list[str]:
    """Return the lines that make a parameter."""
    dtype = case.dtype_of(member)
    view = view_of(member.shape, member.parameter)
    name = f"p{number}"
    lines = [f"{name} = {values('torch.cos(k)', member, dtype, member.parameter)}"]
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
    return [f"k = {count(member)}", *lines, f"{name}.requires_grad_({asked})"]


def give(case: Case, number: int, member: Member, wide: bool, target: bool) -> list[str]:
    """Return the lines that set a parameter's gradient."""
    dtype = case.dtype_of(member)
    formula = "torch.sin(k**2 + t + 1)"
    extra = []
    if member.values == "small":
        formula += " / 64"
    elif member.values == "varying":
        formula += f" * {FACTORS}[t]"
    elif member.values == "zero":
        formula += " * 0"
    elif member.values == "nonfinite":
        extra = ["g.view(-1)[::2], g.view(-1)[1::4] = torch.nan, torch.inf"]
    lines = [f"k = {count(member)}"]
    lines += [f"g = {values(formula, member, dtype, member.gradient)}", *extra]
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
    return [*lines, given, *([f"target{number} = g.clone()"] if target else [])]


def closure(case: Case) -> list[str]:
    """Return the lines that define the closure."""
    lines = ["def closure():", "    loss = torch.zeros((), dtype=torch.float64)"]
    for number in range(len(case.members)):
        lines += [
            f"    if p{number}.grad is not None:",
            f"        p{number}.grad.copy_(p{number}.detach() - target{number})",
            f"        loss = loss + p{number}.grad.abs().double().square().sum().cpu() / 2",
        ]
    return [*lines, "    return loss", ""]


def text(value: Any, case: Case) -> str:
    """Return a value as it is written."""
    if isinstance(value, tuple):
        return "(" + ", ".join(text(part, case) for part in value) + ")"
    if isinstance(value, TensorValue) and case.dtype == torch.float64:
        return repr(value)[:-1] + ", dtype=torch.float64)"
    return repr(value)


def listed(entry: Entry, case: Case) -> str:
    """Return the parameters as the constructor takes them: a list, or groups with options."""
    names = [f"p{number}" for number in range(len(case.members))]
    groups = sorted({member.group for member in case.members})
    if groups == [0]:
        return f"[{', '.join(names)}]"
    parts = []
    for group in groups:
        pairs = zip(names, case.members, strict=True)
        mine = ", ".join(name for name, member in pairs if member.group == group)
        given = in_group(entry, case.options, group)
        options = "".join(f", {name}={text(value, case)}" for name, value in given)
        parts.append(f"dict(params=[{mine}]{options})")
    return f"[{', '.join(parts)}]"


def count(member: Member) -> str:
    """Return k, the number of each element, shifted by the seed."""
    size = 1
    for length in member.shape:
        size *= length
    shift = f" + {member.seed}" if member.seed else ""
    return f"torch.arange({size}, dtype=torch.float64){shift}"


def values(formula: str, member: Member, dtype: torch.dtype, position: str) -> str:
    """Return values by a formula of k, in the type and shape of a member."""
    if dtype.is_complex:
        formula = f"torch.complex({formula}, ({formula}).flip(0))"
    elif " " in formula:
        formula = f"({formula})"
    made = f"{formula}.to({dtype}).reshape({member.shape})"
    return f"{made}[:1].expand({member.shape})" if position == "expanded" else made


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.complex128 if dtype.is_complex else torch.float64


def keywords(switches: dict[str, Any]) -> str:
    """Return switches as they follow other arguments."""
    return "".join(f", {name}={value}" for name, value in switches.items())


def restoring(entry: Entry, case: Case, names: str, comparing: bool) -> list[str]:
    """Return the lines before a step by which another optimizer takes the state over."""
    if not case.restored or case.steps < 2:
        return []
    rate = f", lr={2 * RATE}" if "lr" in entry.parameters else ""
    return [
        f"if t == {case.steps // 2}{' and not wide' if comparing else ''}:",
        "    kept = copy.deepcopy(optimizer.state_dict())",
        f"    optimizer = torch.optim.{entry.name}({names}{rate}, **how)",
        "    optimizer.load_state_dict(kept)",
    ]
