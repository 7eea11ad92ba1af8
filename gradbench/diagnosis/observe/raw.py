"""What is recorded: an event, and what is known of a tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from gradbench.diagnosis.observe.places import Line
from gradbench.diagnosis.observe.tensors import shape_of
from gradbench.diagnosis.timeline import Kind


class Raw(NamedTuple):
    """An event as it is recorded: cheap to make."""

    index: int  # type: ignore[assignment]  # nobody looks a value up in an event
    step: int
    kind: Kind
    name: str
    line: Line | None
    callers: tuple[Line, ...]
    api: str
    inputs: tuple[int, ...]
    live: tuple[int, ...]
    outputs: tuple[int, ...]
    out_live: bool
    grad_mode: bool
    detail: Mapping[str, Any]


class Seen:
    """What is known of a tensor."""

    __slots__ = (
        "alias",
        "dtype",
        "leaf",
        "number",
        "of",
        "ref",
        "role",
        "shape",
        "variable",
    )

    def __init__(self, number: int, tensor: Tensor, ref: Any) -> None:
        self.number = number
        self.ref = ref
        self.leaf = False
        self.shape = shape_of(tensor)
        self.dtype = str(tensor.dtype).removeprefix("torch.")
        self.role = "result"
        self.alias: int | None = None
        self.of: int | None = None
        self.variable = ""
