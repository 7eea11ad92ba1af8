"""Values to try for an optimizer's options, read from its signature and documentation."""

from __future__ import annotations

import inspect
import itertools
import math
import re
from dataclasses import dataclass, replace
from typing import Any

import torch

from gradbench.parity.catalogue import FOR_LOOP, SWITCHES, Entry

RATE = 0.125
"""Learning rate of every case, and the value of whatever is switched on: exact in every type."""

LEAST = 1 / 256
"""A number below it is too small to be seen beside others: ε, say."""

Options = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class TensorValue:
    """A number that is passed as a tensor, as annotations with ``Tensor`` allow.

    Args:
        value: The number.
        shape: Of the tensor; one element.
    """

    value: float
    shape: tuple[int, ...] = ()

    def build(self, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """Return the tensor, on a device and of a floating type."""
        return torch.full(self.shape, self.value, device=device, dtype=dtype)

    def __repr__(self) -> str:
        return f"torch.tensor({[self.value] if self.shape else self.value})"


def base(entry: Entry) -> Options:
    """Return the options of every case: the defaults, but for the learning rate.

    What counts iterations within a step is 4, enough to have a history and not to converge.
    """
    rate = (("lr", RATE),) if "lr" in entry.parameters else ()
    counts = [
        (name, 4)
        for name, parameter in entry.parameters.items()
        if entry.closure and type(parameter.default) is int and name != "lr"
    ]
    return (*rate, *counts)


def in_group(entry: Entry, options: Options, number: int) -> Options:
    """Return the options of a parameter group, all unlike those of the first.

    With each group every number, given or by default, is 7/8 of what it was, and one that is too
    small to be seen beside the rest is 7/512; every second group has the flags of the default.
    """
    if not number:
        return options
    found = dict(options)
    for name, parameter in _own(entry):
        value = found.get(name, parameter.default)
        if isinstance(value, bool):
            found[name] = parameter.default if number % 2 else value
        elif isinstance(value, float | tuple | TensorValue):
            found[name] = _less(value, (7 / 8) ** number)
    return tuple(found.items())


def structural(entry: Entry) -> dict[str, Any]:
    """Return the options that switch a part of the update on, with the value that does.

    Those are the flags, turned round, and the numbers that are zero by default.
    """
    found: dict[str, Any] = {}
    for name, parameter in _own(entry):
        default = parameter.default
        if isinstance(default, bool):
            found[name] = not default
        elif isinstance(default, int | float) and default == 0:
            found[name] = RATE
    return found


def numeric(entry: Entry) -> dict[str, list[Any]]:
    """Return the values to try for each other option, one at a time."""
    return {name: _others(entry, name, parameter) for name, parameter in _own(entry)}


def full(entry: Entry) -> list[Options]:
    """Combine the structural options in every way, then vary the others one at a time."""
    return combined(entry) + varied(entry)


def combined(entry: Entry) -> list[Options]:
    """Combine the structural options in every way that the constructor accepts."""
    switches = structural(entry)
    rows = [
        base(entry) + tuple(chosen)
        for size in range(len(switches) + 1)
        for chosen in itertools.combinations(switches.items(), size)
    ]
    return [row for row in rows if accepted(entry, row) is None]


def varied(entry: Entry) -> list[Options]:
    """Vary the other options one at a time, as far as the constructor accepts it.

    A number of which it accepts nothing else is doubled.
    """
    rows: list[Options] = []
    for name, values in numeric(entry).items():
        rest = tuple(pair for pair in base(entry) if pair[0] != name)
        mine: list[Options] = [(*rest, (name, value)) for value in values]
        mine = [row for row in mine if accepted(entry, row) is None]
        default = entry.parameters[name].default
        if not mine and isinstance(default, float):
            mine = [(*rest, (name, 2 * default))]
        rows += [row for row in mine if accepted(entry, row) is None]
    return rows


def pairwise(entry: Entry) -> list[Options]:
    """Choose few combinations in which any two structural options meet on and off.

    Greedy: take the combination with most pairs not yet met, simplest first.
    """
    switches = structural(entry)
    names = list(switches)
    rows = combined(entry)
    chosen: list[Options] = []
    met: set[tuple[tuple[str, bool], ...]] = set()
    while True:
        pairs = {row: _pairs(row, names) - met for row in rows}
        best = max(rows, key=lambda row: (len(pairs[row]), -len(row)))
        if not pairs[best]:
            return chosen or [base(entry)]
        chosen.append(best)
        met |= pairs[best]


def accepted(entry: Entry, options: Options) -> str | None:
    """Return the constructor's words of refusal, or None where it accepts the options."""
    parameter = torch.zeros(1, 1, requires_grad=True)
    try:
        entry.make([parameter], **build(options), **entry.implementations()[FOR_LOOP])
    except Exception as refusal:
        return str(refusal)
    return None


def build(
    options: Options, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> dict[str, Any]:
    """Return the options as keyword arguments, tensors among them in float32 or wider."""
    wide = torch.float64 if dtype in (torch.float64, torch.complex128) else torch.float32

    def built(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(built, value))
        if isinstance(value, TensorValue):
            return value.build(device or torch.device("cpu"), wide)
        return value

    return {name: built(value) for name, value in options}


def _own(entry: Entry) -> list[tuple[str, inspect.Parameter]]:
    return [pair for pair in entry.parameters.items() if pair[0] not in SWITCHES]


def _others(entry: Entry, name: str, parameter: inspect.Parameter) -> list[Any]:
    """Return values beside the default and the structural one, by the kind of the default."""
    default = parameter.default
    found: list[Any] = []
    if isinstance(default, bool):
        return found
    if isinstance(default, tuple):
        found = [tuple(RATE if x is None else 0.9 * x for x in default)]
        for at, other in itertools.product(range(len(default)), (RATE, 1.0)):
            found.append((*default[:at], other, *default[at + 1 :]))
        if "Tensor" in str(parameter.annotation):
            found.append(tuple(TensorValue(math.floor(x * 64) / 64) for x in default))
    elif name == "lr":
        found = [1.0]
    elif isinstance(default, float) and default != 0:
        found = [0.0, RATE]
    elif isinstance(default, int) and default != 0:
        found = [1]
    elif default is None:
        found = _quoted(entry, name)
    if "Tensor" in str(parameter.annotation) and not isinstance(default, tuple):
        found += [TensorValue(RATE), TensorValue(RATE, (1,))]
    return found


def _less(value: Any, factor: float) -> Any:
    if isinstance(value, tuple):
        return tuple(_less(x, factor) for x in value)
    if isinstance(value, TensorValue):
        return replace(value, value=value.value * factor)
    if isinstance(value, float):
        return factor * (1 / 64 if 0 < value < LEAST else value)
    return value


def _quoted(entry: Entry, name: str) -> list[str]:
    """Return the words in quotes in what the documentation says of an option."""
    text = re.split(rf"\n\s+{name} \(", entry.make.__doc__ or "")
    said = re.split(r"\n\s+\w+ \(", text[1])[0] if len(text) > 1 else ""
    return sorted(set(re.findall(r"[\"'`]+([a-z]\w+)[\"'`]+", said)) - {"None"})


def _pairs(row: Options, names: list[str]) -> set[tuple[tuple[str, bool], ...]]:
    on = {name for name, _ in row}
    return set(itertools.combinations([(name, name in on) for name in names], 2)) or {
        ((name, name in on),) for name in names
    }
