"""The whole step compiled: once for a set of shapes, whatever is bound."""

import shutil
from collections.abc import Iterator

import pytest
import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule, Unavailable
from gradbench.strategies import optimizer_compiled
from gradbench.strategies.functional import functional_call
from gradbench.strategies.optimizer_compiled import OptimizerCompiled, learning_rate
from gradbench.timing.compilation import Compilation
from tests.conftest import CPU, make

SHAPES = [(3, 4), (4,), (2, 3)]
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="no C++ compiler here"
)


@pytest.fixture
def watch() -> Iterator[Compilation]:
    torch._dynamo.reset()
    optimizer_compiled._compile.cache_clear()
    with Compilation() as compilation:
        yield compilation


def fresh(value: float = 1.0) -> list[Parameter]:
    parameters = [Parameter(torch.full(shape, value)) for shape in SHAPES]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 0.5)
    return parameters


def zeros(rule: Rule, parameters: list[Parameter]) -> list[dict[str, torch.Tensor]]:
    return [{name: torch.zeros_like(p.detach()) for name in rule.slots} for p in parameters]


@needs_compiler
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_fresh_tensors_are_bound_without_compiling(name: str, watch: Compilation) -> None:
    rule: Rule = make("rule", name)
    for _ in range(12):
        parameters, expected = fresh(), fresh()
        optimizer = rule.optimizer(expected)
        binding = OptimizerCompiled().bind(rule, parameters, zeros(rule, parameters))
        for _ in range(3):
            binding.step()
            optimizer.step()
        watch.credit("bound")
        for parameter, other in zip(parameters, expected, strict=True):
            torch.testing.assert_close(parameter, other)
    assert watch.by_cell["bound"].graphs == 1
    assert watch.by_cell["bound"].breaks == 0
    assert not watch.failed


@needs_compiler
def test_several_bindings_keep_their_own_count(watch: Compilation) -> None:
    rule: Rule = make("rule", "adamw")
    pairs = [(fresh(), fresh()) for _ in range(2)]
    steps = []
    for parameters, expected in pairs:
        binding = OptimizerCompiled().bind(rule, parameters, zeros(rule, parameters))
        steps.append((binding.step, rule.optimizer(expected).step))
    for step, plain in (steps[0], steps[0], steps[1], steps[0]):
        step()
        plain()
    for parameters, expected in pairs:
        torch.testing.assert_close(parameters, expected)


@needs_compiler
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_another_learning_rate_does_not_compile(name: str, watch: Compilation) -> None:
    rule: Rule = make("rule", name)
    parameters = fresh()
    optimizer = rule.optimizer(parameters)
    (group,) = optimizer.param_groups
    group["lr"] = rate = learning_rate(0.5, torch.float32)
    if "capturable" in group:
        group["capturable"] = True
    call = functional_call(optimizer)
    compiled = optimizer_compiled._compile(call.function)
    with torch.no_grad():
        compiled(*call.lists, **call.keywords)
        watch.credit("warm")
        before = [parameter.clone() for parameter in parameters]
        rate.fill_(0.0)
        compiled(*call.lists, **call.keywords)
        torch.testing.assert_close([p.detach() for p in parameters], before)
        rate.fill_(0.25)
        compiled(*call.lists, **call.keywords)
    watch.credit("changed", timed=True)
    assert watch.by_cell["warm"].graphs == 1
    assert "changed" not in watch.by_cell
    assert all((p != b).all() for p, b in zip(parameters, before, strict=True))


@needs_compiler
def test_a_missing_gradient_leaves_its_parameter_alone(watch: Compilation) -> None:
    rule: Rule = make("rule", "adamw")
    parameters, expected = fresh(), fresh()
    optimizer = rule.optimizer(expected)
    parameters[1].grad = expected[1].grad = None
    binding = OptimizerCompiled().bind(rule, parameters, zeros(rule, parameters))
    for step in (binding.step, optimizer.step):
        step()
    parameters[1].grad, expected[1].grad = torch.ones(4), torch.ones(4)
    for step in (binding.step, optimizer.step):
        step()
    torch.testing.assert_close(parameters, expected)


def test_rules_without_an_optimizer_are_skipped() -> None:
    reason = OptimizerCompiled().supports(make("rule", "lion"), CPU, torch.float32)
    assert reason == "torch.optim has no Lion"


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    reason = OptimizerCompiled().supports(make("rule", "sgd"), CPU, torch.float32)
    assert reason is not None
    assert "C++ compiler" in reason


def test_too_many_tensors_are_skipped() -> None:
    rule: Rule = make("rule", "sgd")
    with pytest.raises(Unavailable, match=r"3 tensors .*most_tensors is 2"):
        OptimizerCompiled(most_tensors=2).bind(rule, fresh(), [{}] * 3)
