"""Strategies and zeroings broken on purpose: verification must see each of them."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.verify.verifiable import Verifiable
from gradbench.verify.verification import verify
from gradbench.zeroing.base import Zeroing
from tests.conftest import allocate, make, options

RULES = sorted(options("rule"))
Parameters = Sequence[Parameter]


class Broken(Strategy):
    """Hands parameters and rule on to a right strategy, with something wrong before or after."""

    def __init__(self, wrong: Callable[..., Any]) -> None:
        self.wrong = wrong

    def bind(self, rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
        return self.wrong(rule, parameters, slots)  # type: ignore[no-any-return]


def right(rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
    return make("strategy", "no_grad").bind(rule, parameters, slots)  # type: ignore[no-any-return]


def wrong_sign(rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
    inner = right(rule, parameters, slots)

    def step() -> None:
        before = [p.detach().clone() for p in parameters]
        inner.step()
        for p, old in zip(parameters, before, strict=True):
            p.data.neg_().add_(old, alpha=2)

    return Binding(step)


def skipped_tensor(rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
    return right(rule, parameters[:-2], slots[:-2])


def skipped_last_element(rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
    inner = right(rule, parameters, slots)

    def step() -> None:
        last = parameters[0].detach().view(-1)[-1].clone()
        inner.step()
        parameters[0].detach().view(-1)[-1] = last

    return Binding(step)


def twice(rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
    inner = right(rule, parameters, slots)

    def step() -> None:
        inner.step()
        inner.step()

    return Binding(step)


def half_precision(rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
    inner = right(rule, parameters, slots)

    def step() -> None:
        inner.step()
        for p in parameters:
            p.data.copy_(p.data.bfloat16())

    return Binding(step)


def to_nan(rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
    def step() -> None:
        for p in parameters:
            p.data.fill_(torch.nan)

    return Binding(step)


def negates_gradient(rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
    inner = right(rule, parameters, slots)

    def step() -> None:
        inner.step()
        for p in parameters:
            assert p.grad is not None
            p.grad.neg_()

    return Binding(step)


def drops_gradient(rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
    inner = right(rule, parameters, slots)

    def step() -> None:
        inner.step()
        parameters[0].grad = None

    return Binding(step)


def writes_next_to_parameter(rule: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
    inner = right(rule, parameters, slots)

    def step() -> None:
        inner.step()
        p = parameters[0].detach()
        torch.as_strided(p, (p.numel() + 1,), (1,), p.storage_offset())[-1] = 0.0

    return Binding(step)


@pytest.mark.parametrize("rule_name", RULES)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (wrong_sign, "off by"),
        (skipped_tensor, "never written"),
        (skipped_last_element, "never written"),
        (twice, "off by"),
        (half_precision, "off by"),
        (to_nan, "off by inf"),
        (negates_gradient, "changed .grad"),
        (drops_gradient, "changed .grad"),
        (writes_next_to_parameter, "next to a parameter"),
    ],
)
def test_broken_strategy_is_wrong(
    rule_name: str, wrong: Callable[..., Any], said: str, device: torch.device
) -> None:
    rule: Rule = make("rule", rule_name)
    tensors = allocate(rule, device=device)
    verdict = verify(Broken(wrong), make("zeroing", "set_to_none"), tensors)
    assert verdict.reason is not None
    assert said in verdict.reason
    if said == "off by":  # Muon's tolerance is thousands of float32's ulps, and two of these
        assert (" ulp of bfloat16 (at most" in verdict.reason) is (rule_name == "muon")
    fresh = allocate(rule, device=device)
    again = verify(Broken(right), make("zeroing", "set_to_none"), fresh)
    assert again.reason is None


def test_count_that_never_advances_is_wrong(device: torch.device) -> None:
    rule: Rule = make("rule", "adam")

    def bind(_: Rule, parameters: Parameters, slots: Sequence[Slots]) -> Binding:
        def step() -> None:
            with torch.no_grad():
                for p, s in zip(parameters, slots, strict=True):
                    rule.step(p, p.grad, s, 1)  # type: ignore[arg-type]

        return Binding(step)

    tensors = allocate(rule, device=device)
    verdict = verify(Broken(bind), make("zeroing", "set_to_none"), tensors)
    assert verdict.reason is not None


class Forgetful(Zeroing):
    """Clears all gradients but the first."""

    releases = False  # type: ignore[assignment]
    accumulates = False  # type: ignore[assignment]

    def bind(self, parameters: Parameters) -> Callable[[], None]:
        return make("zeroing", "zero_in_place").bind(parameters[1:])  # type: ignore[no-any-return]


def test_zeroing_that_forgets_a_tensor_is_wrong(device: torch.device) -> None:
    rule: Rule = make("rule", "sgd")
    tensors = allocate(rule, device=device)
    verdict = verify(make("strategy", "no_grad"), Forgetful(), tensors)
    assert verdict.reason is not None


def test_silent_half_update_of_half_precision_is_seen(device: torch.device) -> None:
    """torch.optim.SGD(fused=True) on the CPU may skip half-precision elements; see by ourselves."""
    parameter = Parameter(torch.ones(100, dtype=torch.bfloat16, device=device))
    parameter.grad = torch.ones_like(parameter)
    torch.optim.SGD([parameter], lr=0.5, fused=True).step()
    skips = bool((parameter == 1).any())
    rule: Rule = make("rule", "sgd")
    verdict = verify(
        make("strategy", "optimizer_fused"),
        make("zeroing", "set_to_none"),
        allocate(rule, torch.bfloat16, device),
    )
    assert (verdict.reason is not None) == skips


class Clock:
    """Time passes only while a device is waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def wait(self, device: torch.device) -> None:
        assert device.type == "cuda"
        self.now += 1.0


def test_a_step_is_timed_until_the_device_has_done_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On what seems to be CUDA: what was launched before is waited for before the clock."""
    clock = Clock()
    monkeypatch.setattr("gradbench.verify.verification.time", clock)
    monkeypatch.setattr(torch.cuda, "synchronize", clock.wait)
    verifiable = allocate(make("rule", "sgd"))
    monkeypatch.setattr(Verifiable, "device", torch.device("cuda"))
    verdict = verify(Broken(right), make("zeroing", "set_to_none"), verifiable)
    assert verdict.reason is None
    assert verdict.step_s == [1.0, 1.0]
    assert clock.now == 4.0
