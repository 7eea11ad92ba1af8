"""What training does to a strategy: it is right all the same, or it refuses before it writes.

Every strategy, with a rule whose update of a parameter without a gradient would show: the weight
decays, and a count that is not the parameter's own turns the bias corrections.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Unavailable
from gradbench.strategies.base import Binding, Strategy
from gradbench.zeroing.base import Zeroing
from tests.conftest import make, options

STRATEGIES = sorted(options("strategy"))
RULES = [name for name in sorted(options("rule")) if make("rule", name).element_wise]
ZEROINGS = ["set_to_none", "set_to_zero"]
LR = 0.01


@dataclass
class Followed:
    """A parameter, and its truth: torch.optim's semantics in float64."""

    parameter: Parameter
    value: Tensor
    slots: dict[str, Tensor]
    count: int = 0

    @staticmethod
    def at(parameter: Parameter, rule: Rule) -> Followed:
        value = parameter.detach().double()
        return Followed(parameter, value, {n: torch.zeros_like(value) for n in rule.slots})

    def update(self, rule: Rule) -> None:
        if self.parameter.grad is None:
            return
        self.count += 1
        gradient = self.parameter.grad.double()
        self.value, self.slots = rule.reference(self.value, gradient, self.slots, self.count)


def bound(
    name: str, rule: Rule, values: Sequence[Tensor], device: torch.device
) -> tuple[list[Followed], Binding]:
    strategy: Strategy = make("strategy", name)
    reason = strategy.supports(rule, device, torch.float32)
    if reason is not None:
        pytest.skip(reason)
    parameters = [Parameter(value) for value in values]
    slots = [{n: torch.zeros_like(p, requires_grad=False) for n in rule.slots} for p in parameters]
    followed = [Followed.at(parameter, rule) for parameter in parameters]
    try:
        return followed, strategy.bind(rule, parameters, slots)
    except Unavailable as refused:
        pytest.skip(str(refused))


def backward(followed: Sequence[Followed], used: Sequence[bool], step: int) -> None:
    """Give the used parameters a gradient that differs from step to step."""
    generator = torch.Generator().manual_seed(step)
    losses = []
    for each, present in zip(followed, used, strict=True):
        weight = torch.rand(each.parameter.shape, generator=generator) + 0.5
        if present:
            losses.append((each.parameter * weight.to(each.parameter.device)).sum())
    torch.stack(losses).sum().backward()


def train(
    followed: Sequence[Followed],
    binding: Binding,
    rule: Rule,
    zeroing: str,
    pattern: Sequence[Sequence[bool]],
    rates: Sequence[float] = (),
) -> bool:
    """Train, and say whether the last step was refused; then nothing was written by it."""
    clear: Zeroing = make("zeroing", zeroing)
    zero = clear.bind([each.parameter for each in followed])
    for index, used in enumerate(pattern):
        if rates:
            assert binding.set_lr is not None
            binding.set_lr(rates[index])
            rule = rule.with_lr(rates[index])
        backward(followed, used, index)
        # Before, since a strategy may update within backward, and must not write into .grad.
        for each in followed:
            each.update(rule)
        before = [each.parameter.detach().clone() for each in followed]
        try:
            binding.step()
        except Unavailable:
            assert not all(each.parameter.grad is not None for each in followed)
            for each, old in zip(followed, before, strict=True):
                assert torch.equal(each.parameter, old)
            return True
        zero()
    return False


def check(followed: Sequence[Followed]) -> None:
    for each in followed:
        expected = each.value.to(each.parameter.dtype)
        torch.testing.assert_close(each.parameter.detach(), expected, rtol=2e-5, atol=2e-6)


def shapes(device: torch.device) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(size, device=device) for size in ((4, 3), (3,), (5, 3), (2, 2))]


@lru_cache(maxsize=1)
def forget_compiled(rule_name: str) -> None:
    """Have each rule compiled anew: a worker compiles one, and this process all of them."""
    torch._dynamo.reset()


@pytest.mark.parametrize("zeroing", ZEROINGS)
@pytest.mark.parametrize(
    "pattern",
    [
        [[True, True, False, True]] * 3,
        [[True] * 4, [True, False, True, True], [True] * 4, [False, True, True, True]],
        [[False, True, True, True], [True] * 4, [True, True, True, False], [True] * 4],
    ],
    ids=["never", "later", "at first"],
)
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_parameter_without_a_gradient_is_left_alone(
    name: str, pattern: list[list[bool]], zeroing: str, device: torch.device
) -> None:
    rule: Rule = make("rule", "adamw").with_lr(LR)
    followed, binding = bound(name, rule, shapes(device), device)
    if train(followed, binding, rule, zeroing, pattern):
        return
    check(followed)
    binding.release()


def strided(device: torch.device) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        "channels_last": torch.randn(4, 3, 2, 2, device=device).to(
            memory_format=torch.channels_last
        ),
        "transposed": torch.randn(3, 5, device=device).t(),
        "permuted": torch.randn(2, 3, 4, device=device).permute(1, 2, 0),
        "with gaps": torch.randn(6, 8, device=device)[:, 2:5],
        "every other": torch.randn(10, device=device)[::2],
    }


@pytest.fixture(autouse=True)
def unlimited() -> Iterator[None]:
    """Let each test compile as often as it likes, as a block does."""
    if "torch._dynamo.config" not in sys.modules:
        yield
        return
    with torch._dynamo.config.patch(recompile_limit=1000, accumulated_recompile_limit=1000):
        yield


@pytest.mark.parametrize("zeroing", ZEROINGS)
@pytest.mark.parametrize("kind", [*strided(torch.device("cpu")), "all"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_strides_are_the_parameters_own(
    name: str, kind: str, zeroing: str, device: torch.device
) -> None:
    rule: Rule = make("rule", "adamw").with_lr(LR)
    given = strided(device)
    chosen = list(given.values()) if kind == "all" else [given[kind]]
    whole = [value if value._base is None else value._base for value in chosen]
    before = [tensor.clone() for tensor in whole]
    values = [*chosen, torch.ones(3, device=device)]
    strides = [value.stride() for value in values]
    followed, binding = bound(name, rule, values, device)
    assert not train(followed, binding, rule, zeroing, [[True] * len(values)] * 3)
    check(followed)
    for each, value, stride in zip(followed, values, strides, strict=True):
        if torch.empty_like(value).stride() == stride:  # the others have gaps, which a copy has not
            assert each.parameter.stride() == stride
    binding.release()
    for value, tensor, old in zip(chosen, whole, before, strict=True):
        torch.as_strided(old, value.shape, value.stride(), value.storage_offset()).copy_(value)
        assert torch.equal(tensor, old)  # what lies in the gaps


@pytest.mark.parametrize("zeroing", ZEROINGS)
@pytest.mark.parametrize("name", STRATEGIES)
def test_numbers_and_nothing_are_parameters(name: str, zeroing: str, device: torch.device) -> None:
    rule: Rule = make("rule", "adamw").with_lr(LR)
    values = [torch.ones(size, device=device) for size in ((), (0, 3), (2,), (0,), ())]
    followed, binding = bound(name, rule, values, device)
    assert not train(followed, binding, rule, zeroing, [[True] * len(values)] * 3)
    check(followed)
    assert [each.parameter.shape for each in followed] == [value.shape for value in values]
    binding.release()


@pytest.mark.parametrize("rule_name", ["sgd", "nesterov", "adamw", "lion"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_learning_rate_is_changed_between_steps(
    name: str, rule_name: str, device: torch.device
) -> None:
    rule: Rule = make("rule", rule_name)
    forget_compiled(rule_name)
    followed, binding = bound(name, rule, shapes(device), device)
    if binding.set_lr is None:
        assert any(word in name for word in ("compiled", "cuda_graph"))
        pytest.skip("its learning rate is fixed when it is bound")
    rates = [0.0, LR, 3 * LR, LR / 2]
    assert not train(followed, binding, rule, "set_to_none", [[True] * 4] * 4, rates)
    check(followed)
    binding.release()


@pytest.mark.parametrize("rule_name", RULES)
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_shown_state_is_each_parameters_own(
    name: str, rule_name: str, device: torch.device
) -> None:
    rule: Rule = make("rule", rule_name)
    forget_compiled(rule_name)
    values = [*shapes(device), strided(device)["channels_last"]]
    followed, binding = bound(name, rule, values, device)
    if binding.state is None:
        pytest.skip("it hides its state")
    everything, some = [True] * 5, [True, False, True, True, True]
    refused = train(followed, binding, rule, "set_to_none", [everything, some, everything])
    if refused:
        followed, binding = bound(name, rule, values, device)
        train(followed, binding, rule, "set_to_none", [everything] * 3)
        assert binding.state is not None
    for each, state in zip(followed, binding.state(), strict=True):
        for slot in rule.slots:
            shown = state[slot]
            assert isinstance(shown, Tensor)
            expected = each.slots[slot].to(shown.dtype)
            torch.testing.assert_close(shown.detach(), expected, rtol=2e-5, atol=2e-6)
        assert int(state.get("step", each.count)) == each.count
    assert [each.count for each in followed] == ([3] * 5 if refused else [3, 2, 3, 3, 3])
    binding.release()


def test_gradient_descent_by_torch_optim_counts_no_steps() -> None:
    """What an optimizer does not keep is not shown, though it was given to it."""
    rule: Rule = make("rule", "momentum")
    _, binding = bound("optimizer", rule, [torch.ones(2)], torch.device("cpu"))
    assert binding.state is not None
    assert [set(row) for row in binding.state()] == [{"momentum_buffer"}]


@pytest.mark.parametrize("name", ["flat", "flat_fused", "flat_compiled"])
def test_parameters_that_share_memory_are_not_put_apart(name: str) -> None:
    rule: Rule = make("rule", "sgd")
    strategy: Strategy = make("strategy", name)
    weight = torch.ones(4, 3)
    for values in ([weight, weight.t()], [torch.ones(()).expand(3)], [weight, weight[1:3]]):
        parameters = [Parameter(value) for value in values]
        places = [parameter.data_ptr() for parameter in parameters]
        with pytest.raises(Unavailable, match="share memory"):
            strategy.bind(rule, parameters, [{} for _ in parameters])
        assert [parameter.data_ptr() for parameter in parameters] == places
