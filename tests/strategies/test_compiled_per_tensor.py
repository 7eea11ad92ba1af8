"""What a compiled step is compiled for: buffers of every size, or each; every layout."""

from collections.abc import Callable

import pytest
import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule
from gradbench.strategies import compiled_per_tensor
from gradbench.strategies.base import zero_slots
from gradbench.strategies.compiled_per_tensor import CompiledPerTensor
from gradbench.strategies.flat_compiled import FlatCompiled
from tests.conftest import make


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[torch.fx.GraphModule]:
    """What is compiled, by a backend that compiles nothing."""
    seen: list[torch.fx.GraphModule] = []
    plain = torch.compile

    def backend(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        seen.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda step, **how: plain(step, backend=backend, **how))
    compiled_per_tensor._compile.cache_clear()
    torch._dynamo.reset()
    return seen


@pytest.mark.parametrize(("dynamic", "count"), [(None, 1), (True, 1), (False, 3)])
def test_one_graph_or_one_for_each_size(
    dynamic: bool | None, count: int, graphs: list[torch.fx.GraphModule]
) -> None:
    rule: Rule = make("rule", "momentum")
    for size in (8, 64, 640):
        parameter = Parameter(torch.ones(size))
        parameter.grad = torch.ones(size)
        slots = {name: torch.zeros(size) for name in rule.slots}
        binding = FlatCompiled(dynamic).bind(rule, [parameter], [slots])
        binding.step()
        torch.testing.assert_close(parameter.detach(), torch.full((size,), 1 - rule.lr))
        binding.release()
    assert len(graphs) == count
    compiled_per_tensor._compile.cache_clear()


def test_one_graph_serves_every_dense_layout_and_gaps_have_their_own(
    graphs: list[torch.fx.GraphModule],
) -> None:
    rule: Rule = make("rule", "momentum")
    laid_out = {
        "contiguous": torch.randn(5, 7),
        "transposed": torch.randn(4, 9).t(),
        "channels_last": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
        "empty": torch.zeros(0, 3),
        "gaps": torch.randn(6, 8)[:, 2:5],
    }
    for layout, value in laid_out.items():
        parameter = Parameter(value)
        assert parameter.stride() == value.stride()
        parameter.grad = torch.randn(value.shape)  # of contiguous strides
        expected = parameter.detach() - rule.lr * parameter.grad
        CompiledPerTensor().bind(rule, [parameter], [zero_slots(rule, parameter)]).step()
        torch.testing.assert_close(parameter.detach(), expected)
        assert len(graphs) == (2 if layout == "gaps" else 1)
    compiled_per_tensor._compile.cache_clear()
