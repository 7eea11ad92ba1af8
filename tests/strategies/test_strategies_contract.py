from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch.nn import Parameter

from gradbench.request.block import Block
from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy, columns
from gradbench.strategies.probe import list_refusal
from gradbench.verify.verification import verify
from gradbench.zeroing.base import Zeroing
from tests.conftest import CPU, allocate, make, options

RULES = sorted(options("rule"))
STRATEGIES = sorted(options("strategy"))
ZEROINGS = sorted(options("zeroing"))
Plan = Callable[..., Block]


def rewrites_gradients(rule: Rule, implementation: dict[str, bool], device: torch.device) -> bool:
    """See with plain PyTorch whether an optimizer's step changes ``.grad``."""
    parameter = Parameter(torch.ones(8, device=device))
    parameter.grad = torch.ones(8, device=device)
    optimizer = rule.optimizer([parameter], **implementation)
    for _ in range(2):
        optimizer.step()
    return bool((parameter.grad != 1).any())


@lru_cache(maxsize=1)
def forget_compiled(rule_name: str) -> None:
    """Have each rule compiled anew: a worker compiles one, and this process all of them."""
    torch._dynamo.reset()


@pytest.mark.parametrize("zeroing", ZEROINGS)
@pytest.mark.parametrize("rule_name", RULES)
@pytest.mark.parametrize("name", STRATEGIES)
def test_strategy_carries_out_rule(
    name: str, rule_name: str, zeroing: str, device: torch.device
) -> None:
    strategy: Strategy = make("strategy", name)
    rule: Rule = make("rule", rule_name)
    cleared: Zeroing = make("zeroing", zeroing)
    reason = strategy.supports(rule, device, torch.float32)
    if reason is not None:
        pytest.skip(reason)
    forget_compiled(rule_name)
    verdict = verify(strategy, cleared, allocate(rule, device=device, updates=3))
    implementation = getattr(strategy, "implementation", None)  # only an optimizer has one
    if implementation is not None and rewrites_gradients(rule, implementation, device):
        assert verdict.reason is not None  # PyTorch's own defect must be seen
        assert "changed .grad" in verdict.reason
    else:
        assert verdict.reason is None
        assert verdict.deviation is not None
        assert 0 <= verdict.deviation.excess <= 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@pytest.mark.parametrize("rule_name", RULES)
@pytest.mark.parametrize(
    "name",
    [s for s in STRATEGIES if not any(word in s for word in ("compiled", "flat", "optimizer"))],
)
def test_own_strategies_are_right_in_every_dtype(
    name: str, rule_name: str, dtype: str, device: torch.device
) -> None:
    strategy: Strategy = make("strategy", name)
    rule: Rule = make("rule", rule_name)
    reason = strategy.supports(rule, device, getattr(torch, dtype))
    if reason is not None:
        pytest.skip(reason)
    tensors = allocate(rule, getattr(torch, dtype), device)
    assert verify(strategy, make("zeroing", "set_to_none"), tensors).reason is None


@pytest.mark.parametrize("name", STRATEGIES)
def test_release_leaves_parameters_as_they_were_found(name: str, device: torch.device) -> None:
    strategy: Strategy = make("strategy", name)
    rule: Rule = make("rule", "sgd")
    if strategy.supports(rule, device, torch.float32) is not None:
        pytest.skip("does not run here")
    torch._dynamo.reset()
    tensors = allocate(rule, device=device)
    tensors.reset()
    tensors.arrive(0)
    parameters = tensors.tensors.parameters()
    places = [parameter.data_ptr() for parameter in parameters]
    binding = strategy.bind(rule, parameters, tensors.slots)
    for parameter, gradient in zip(parameters, tensors.arriving, strict=True):
        parameter.grad = gradient.clone()
    binding.step()
    binding.release()
    assert [parameter.data_ptr() for parameter in parameters] == places
    hooks = [parameter._post_accumulate_grad_hooks for parameter in parameters]  # type: ignore[attr-defined]
    assert not any(hooks)


@pytest.mark.parametrize("name", ["cuda_graph", "optimizer_capturable"])
def test_cuda_only_strategies_say_so(name: str) -> None:
    reason = make("strategy", name).supports(make("rule", "adam"), CPU, torch.float32)
    assert reason is not None
    assert "CUDA" in reason


def test_optimizer_without_an_implementation_is_skipped() -> None:
    where = torch.device("cuda"), torch.float32
    reason = make("strategy", "optimizer_capturable").supports(make("rule", "sgd"), *where)
    assert reason == "torch.optim.SGD takes no capturable"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rule_name", RULES)
def test_list_step_is_right_with_its_count_on_the_device(rule_name: str, dtype: str) -> None:
    """What a CUDA graph replays, without the graph."""

    class Counted(Strategy):
        def bind(
            self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]
        ) -> Binding:
            count = torch.zeros((), dtype=torch.float64)

            @torch.no_grad()
            def step() -> None:
                count.add_(1)
                gradients: list[Any] = [parameter.grad for parameter in parameters]
                rule.step_list(list(parameters), gradients, columns(rule, slots), count)

            return Binding(step)

    rule: Rule = make("rule", rule_name)
    reason = list_refusal(rule)
    if reason is not None:
        pytest.skip(reason)
    tensors = allocate(rule, getattr(torch, dtype))
    assert verify(Counted(), make("zeroing", "set_to_none"), tensors).reason is None
