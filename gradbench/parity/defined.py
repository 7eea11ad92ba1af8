"""Where the float64 for-loop leaves what is documented, and a script that shows it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from gradbench.parity import definitions
from gradbench.parity.cases import Case, gradient_values, starting_values
from gradbench.parity.catalogue import SWITCHES, Entry
from gradbench.parity.options import in_group
from gradbench.parity.truth import Truth, error, numbers, parts, state_scale

MOST = 4096
"""Elements that are compared: the order of longer sums is not defined, and costs more ulps."""


def deviations(
    entry: Entry, case: Case, truths: list[Truth]
) -> Iterator[tuple[int, int, str, float, float]]:
    """Follow the definition of an optimizer and compare the float64 for-loop with it.

    The same ulps are allowed as between an implementation and the for-loop, but in float64 where
    the for-loop computes in no coarser type than its parameters'. A complex number is two
    real ones. What is not finite, empty or larger than ``MOST`` is not compared.

    Args:
        entry: The optimizer; one without definition deviates nowhere.
        case: Options, types and steps.
        truths: What the for-loop does in float64.

    Yields:
        Step, member, what was seen, ulps, and half of the largest error.
    """
    define = getattr(definitions, entry.name.lower(), None)
    if define is None or not truths:
        return
    for number, (member, truth) in enumerate(zip(case.members, truths, strict=True)):
        dtype = case.dtype_of(member)
        if member.values == "nonfinite" or not 0 < math.prod(member.shape) <= MOST:
            continue
        own = truth.unit == dtype.to_real()
        unit = torch.float64 if own else truth.unit
        options, value = documented(entry, case, number), parts(starting_values(member, dtype))
        state: dict[str, Any] = {}
        count = 0
        for step, (looped, states) in enumerate(zip(truth.parameters, truth.states, strict=True)):
            if member.has_gradient(step):
                count += 1
                gradient = parts(gradient_values(member, step, dtype))
                value = define(options, count, value, gradient, state)
            looped = parts(looped)
            off = error(looped, value, truth.scales[step], unit)
            if off > truth.tolerance[step]:
                half = float((looped - value).abs().max()) / 2
                yield step, number, f"{off:.3g} ulps from what is documented", off, half
            for name in sorted(states.keys() & state.keys() & truth.state_tolerance[step].keys()):
                kept = torch.as_tensor(state[name], dtype=torch.float64)
                off = error(parts(states[name]), kept, state_scale(truth.states, name), unit)
                if off > truth.state_tolerance[step][name]:
                    said = f"{name}: {off:.3g} ulps from what is documented"
                    yield step, number, said, off, 0.0


def documented(entry: Entry, case: Case, number: int) -> dict[str, Any]:
    """Return every option of a member of a case as plain numbers, by name."""
    member = case.members[number]
    mine = replace(case, options=in_group(entry, case.options, member.group))
    found = {name: parameter.default for name, parameter in entry.parameters.items()}
    found |= numbers(entry, mine, case.dtype_of(member), 0.0)
    plain = {
        name: tuple(map(_plain, value)) if isinstance(value, tuple) else _plain(value)
        for name, value in found.items()
    }
    return {"decoupled_weight_decay": False, **plain}


def source(entry: Entry) -> list[str]:
    """Return the lines of the definition and of what it calls, to be pasted."""
    names = [name for name in vars(definitions) if name.startswith("_") and name[1] != "_"]
    called = [getattr(definitions, name) for name in names]
    own = [getattr(definitions, entry.name.lower())]
    own += [definitions.adam] if entry.name == "AdamW" else []
    text = "\n\n".join(inspect.getsource(f).rstrip("\n") + "\n" for f in (*called, *own))
    imports = [
        "import math",
        "from typing import Any",
        "",
        "import torch",
        "from torch import Tensor",
    ]
    return [*imports, "", "Options = State = dict", "", "", text]


def compared(entry: Entry, case: Case, number: int) -> tuple[list[str], list[str]]:
    """Return the lines before and after a step that compare it with the definition."""
    p, name = f"p{number}", entry.name.lower()
    real = "torch.view_as_real" if case.dtype_of(case.members[number]).is_complex else ""
    options = documented(entry, case, number)
    own = {key: value for key, value in options.items() if key not in SWITCHES}
    before = [
        f"given, value = {p}.grad is not None, {real}({p}.detach()).double()",
        "count += given",
        "if given:",
        f"    g = {real}({p}.grad.to_dense()).double()",
        f"    value = {name}({own!r}, count, value, g, state)",
    ]
    after = [
        f"pairs = [({real}({p}.detach()), value)]",
        f"kept = optimizer.state[{p}]",
        f"pairs += [({real}(kept[k]), state[k]) for k in state if k in kept]",
        "for one, other in pairs:",
        "    one, other = one.double(), torch.as_tensor(other).double()",
        "    close = torch.allclose(one, other, rtol=1e-9, atol=1e-12)",
        '    assert close, f"{one} where {other} is documented"',
    ]
    return before, after


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, torch.Tensor) else value
