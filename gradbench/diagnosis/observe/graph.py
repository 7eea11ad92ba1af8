"""The graph of a backward pass: its leaves, and which operator made each node."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradbench.diagnosis.observe.fingerprint import norm

MOST_NODES = 20_000
"""Nodes of a graph that are looked at."""

_MOST_KEPT = 50_000


class Graph:
    """Which event made which node: nodes are numbered by PyTorch in the order they are made."""

    def __init__(self) -> None:
        self._last: list[int] = []
        self._event: list[int] = []

    def reached(self, node: Any, event: int) -> None:
        """Note that an event has made nodes up to this one.

        Args:
            node: ``grad_fn`` of its result.
            event: Its index.
        """
        number = sequence(node)
        if number is None or (self._last and number <= self._last[-1]):
            return
        if len(self._last) > _MOST_KEPT:
            del self._last[: _MOST_KEPT // 2]
            del self._event[: _MOST_KEPT // 2]
        self._last.append(number)
        self._event.append(event)

    def event_of(self, node: Any) -> int | None:
        """Return the index of the event that made a node."""
        number = sequence(node)
        if number is None:
            return None
        position = bisect_left(self._last, number)
        return self._event[position] if position < len(self._event) else None


def sequence(node: Any) -> int | None:
    """Return the number that PyTorch gave a node; None for a leaf's node."""
    number = int(node._sequence_nr())
    return number if 0 <= number < 1 << 62 else None


def nodes_of(roots: Iterable[Tensor]) -> list[Any]:
    """Return the nodes that backward goes through, each once, leaves' nodes included."""
    waiting = [root.grad_fn for root in roots if root.grad_fn is not None]
    found: dict[int, Any] = {}
    while waiting and len(found) < MOST_NODES:
        node = waiting.pop()
        if id(node) in found:
            continue
        found[id(node)] = node
        waiting.extend(each for each, _ in node.next_functions if each is not None)
    return list(found.values())


@dataclass(frozen=True)
class Birth:
    """A node that made zeros, NaN or infinity.

    Args:
        node: Its name.
        event: Index of the event that made it; None if unknown.
        hit: Which of its gradients are zeros or not finite, by position; those that are None count
            and are no hit.
        present: Which of its gradients are not None, by position.
        masked: Whether what came was zero wherever NaN or infinity went.
        forward: Whether it is a NaN of the forward pass, that the node saved.
        tensor: Number of the node's input that is NaN then; None where its result is.
    """

    node: str
    event: int | None
    hit: tuple[int, ...]
    present: tuple[int, ...]
    masked: bool = False
    forward: bool = False
    tensor: int | None = None


@dataclass
class Born:
    """Where zeros or NaN came into being, in one backward pass.

    Args:
        vanished: Nodes that made zeros of a gradient that was none.
        nonfinite: Nodes that made NaN or infinity of finite gradients.
    """

    vanished: list[Birth] = field(default_factory=list)
    nonfinite: list[Birth] = field(default_factory=list)


_VIEWS = ("View", "TBackward", "Transpose", "Permute", "Expand", "Unsqueeze", "Squeeze", "Alias")


def watch_nodes(
    nodes: Iterable[Any],
    graph: Graph,
    born: Born,
    counted: Callable[[], AbstractContextManager[None]],
) -> list[Any]:
    """Have the nodes of a graph tell where zeros and NaN are born.

    Args:
        nodes: Of the graph.
        graph: Knows which event made a node.
        born: Filled while backward runs.
        counted: Counts the time within as the observation's.

    Returns:
        Handles to be removed afterwards.
    """
    handles = []
    for node in nodes:
        name = node.name()
        if sequence(node) is None or name.startswith(_VIEWS):
            continue
        handles.append(node.register_hook(_watcher(name, graph.event_of(node), born, counted)))
    return handles


def _watcher(
    name: str, event: int | None, born: Born, counted: Callable[[], AbstractContextManager[None]]
) -> Any:
    def look(gradients: tuple[Tensor | None, ...], arriving: tuple[Tensor | None, ...]) -> None:
        with torch._C.DisableTorchFunction(), counted():
            came = [norm(each) for each in arriving if each is not None]
            went = {i: norm(each) for i, each in enumerate(gradients) if each is not None}
            if not came or not went or not all(_finite(each) for each in came):
                return
            bad = tuple(i for i, length in went.items() if not _finite(length))
            zero = tuple(i for i, length in went.items() if length == 0.0)
            if bad:
                masked = _masked(arriving, gradients)
                born.nonfinite.append(Birth(name, event, bad, tuple(went), masked))
            elif zero and max(came) > 0:
                born.vanished.append(Birth(name, event, zero, tuple(went)))

    return look


def _masked(arriving: tuple[Tensor | None, ...], gradients: tuple[Tensor | None, ...]) -> bool:
    """Say whether a zero came wherever something not finite went, element by element."""
    if len(arriving) != 1 or arriving[0] is None or arriving[0].layout != torch.strided:
        return False
    came = arriving[0]
    for each in gradients:
        if each is None or each.shape != came.shape or each.layout != torch.strided:
            continue
        bad = ~torch.isfinite(each.detach())
        if bool(bad.any()):
            return not bool(came.detach()[bad].any())
    return False


def _finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")
