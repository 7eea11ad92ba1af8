"""NaN in a forward pass: the first node of a graph that saved one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from gradbench.diagnosis.observe.graph import sequence
from gradbench.diagnosis.observe.saved import Saved


def first_nan(nodes: Iterable[Any]) -> tuple[Any, int | None] | None:
    """Find the first node of a graph that saved a tensor with NaN.

    What our hooks have packed is looked at as it lies there: no hook of the program's runs.

    Args:
        nodes: Of the graph.

    Returns:
        The node, and the number of the tensor where it is an input of the node; None for a
        result. None where no node saved NaN.
    """
    ordered = [(sequence(node), node) for node in nodes]
    for _, node in sorted(
        ((number, node) for number, node in ordered if number is not None),
        key=lambda each: each[0],
    ):
        bad = [(name, saved) for name, saved in _saved(node) if _has_nan(saved.tensor)]
        if bad:
            inputs = [saved for name, saved in bad if not name.endswith(("result", "output"))]
            return node, inputs[0].number if inputs else None
    return None


def _saved(node: Any) -> Iterator[tuple[str, Saved]]:
    for name in dir(node):
        if name.startswith("_raw_saved_"):
            try:
                packed = getattr(getattr(node, name), "data", None)
            except RuntimeError:
                continue
            if isinstance(packed, Saved):
                yield name, packed


def _has_nan(tensor: Tensor) -> bool:
    with torch.no_grad(), torch._C.DisableTorchFunction():
        if tensor.layout != torch.strided or not tensor.is_floating_point():
            return False
        return bool(tensor.isnan().any())
