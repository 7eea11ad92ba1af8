"""A captured step with a fake of CUDA's graphs: a replay calls again what was called."""

import gc
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gradbench.rules.base import Rule, Unavailable
from gradbench.strategies.base import zero_slots
from gradbench.strategies.cuda_graph import CudaGraph
from gradbench.strategies.probe import list_refusal
from tests.conftest import make, options


class Graph:
    """Remembers calls by the addresses of what they read and write, as a CUDA graph does."""

    made: ClassVar[list["Graph"]] = []

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []
        self.outside: list[weakref.ref[Tensor]] = []
        self.made.append(self)

    def capture_begin(self) -> None:
        self.recorder = Recorder(self)
        self.recorder.__enter__()

    def capture_end(self) -> None:
        self.recorder.__exit__(None, None, None)
        del self.recorder

    @torch.no_grad()
    def replay(self) -> None:
        for call in self.calls:
            call()


class Recorder(TorchDispatchMode):
    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        leaves = tree_leaves((args, kwargs))
        self.graph.outside += [weakref.ref(leaf) for leaf in leaves if isinstance(leaf, Tensor)]
        self.graph.calls.append(partial(function, *args, **(kwargs or {})))
        return function(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    side = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(Graph, "made", [])
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: side)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: side)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    return Graph.made


def bound(rule: Rule) -> tuple[list[Parameter], Any]:
    parameters = [Parameter(torch.ones(3)), Parameter(torch.ones(2, 2))]
    slots = [zero_slots(rule, p) for p in parameters]
    return parameters, CudaGraph().bind(rule, parameters, slots)


@pytest.mark.parametrize("name", sorted(options("rule")))
def test_whoever_replays_a_graph_holds_what_it_writes(name: str, graphs: list[Graph]) -> None:
    """The count, too: it would be added to whatever lies there next."""
    rule: Rule = make("rule", name)
    reason = list_refusal(rule)
    if reason is not None:
        pytest.skip(reason)
    _, binding = bound(rule)
    [graph] = graphs
    written = graph.outside[0]  # the first thing captured counts the update
    graph.calls.clear()  # a CUDA graph holds no tensor
    gc.collect()
    count = written()
    assert count is not None
    assert (count.dtype, count.shape) == (torch.float64, ())
    binding.release()


def test_gradients_are_read_where_they_were_captured() -> None:
    rule: Rule = make("rule", "sgd")
    parameters, binding = bound(rule)
    before = [p.detach().clone() for p in parameters]
    assert [p.grad for p in parameters] == [None, None]
    found = []
    for _ in range(2):
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, 2.0)  # as backward leaves it, elsewhere
        binding.step()
        found.append([parameter.grad for parameter in parameters])
    for parameter, place in zip(parameters, found[0], strict=True):
        assert place is not None  # put into .grad once, and there for whoever writes zeros
        parameter.grad = place.fill_(3.0)
    binding.step()
    for start, parameter in zip(before, parameters, strict=True):
        torch.testing.assert_close(parameter.detach(), start - 7 * rule.lr)
    # The fake carries out what it captures, once.
    assert [int(row["step"]) for row in binding.state()] == [1 + 3, 1 + 3]
    binding.release()
    assert [p.grad for p in parameters] == [None, None]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_missing_gradient_is_refused(lost: int) -> None:
    parameters, binding = bound(make("rule", "adamw"))
    parameters[1 - lost].grad = torch.ones_like(parameters[1 - lost])
    before = [p.detach().clone() for p in parameters]
    with pytest.raises(Unavailable, match="grad is None"):
        binding.step()
    assert all(map(torch.equal, parameters, before))
