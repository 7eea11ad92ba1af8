"""What a compiled step is compiled for: every size, or each."""

import pytest
import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule
from gradbench.strategies.flat_compiled import FlatCompiled
from tests.conftest import make


def graphs(dynamic: bool | None, monkeypatch: pytest.MonkeyPatch) -> int:
    """Count the graphs that buffers of three sizes take."""
    torch._dynamo.reset()
    compiled: list[object] = []
    plain = torch.compile

    def backend(graph: torch.fx.GraphModule, _: object) -> object:
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda step, **how: plain(step, backend=backend, **how))
    monkeypatch.setattr("gradbench.strategies.compiled._compile", _compile())
    rule: Rule = make("rule", "momentum")
    for size in (8, 64, 640):
        parameter = Parameter(torch.ones(size))
        parameter.grad = torch.ones(size)
        slots = {name: torch.zeros(size) for name in rule.slots}
        binding = FlatCompiled(dynamic).bind(rule, [parameter], [slots])
        binding.step()
        torch.testing.assert_close(parameter.detach(), torch.full((size,), 1 - rule.lr))
        binding.release()
    return len(compiled)


def _compile():
    from gradbench.strategies import compiled

    return compiled._compile.__wrapped__


@pytest.mark.parametrize(("dynamic", "count"), [(None, 1), (True, 1), (False, 3)])
def test_one_graph_or_one_for_each_size(
    dynamic: bool | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert graphs(dynamic, monkeypatch) == count
