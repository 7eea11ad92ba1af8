"""What a rule or PyTorch lacks is a reason, found by trying.

The device ``meta`` stands for one on which constructors succeed and steps are refused.
"""

from typing import Any

import pytest
import torch

from gradbench.rules.base import Rule
from gradbench.rules.sgd import Sgd
from gradbench.strategies.base import Strategy
from tests.conftest import make, options

OPTIMIZERS = sorted(name for name in options("strategy") if name.startswith("optimizer"))
OTHERS = sorted(options("strategy").keys() - set(OPTIMIZERS) - {"flat", "flat_fused", "batched"})
FLATTENING = ["compiled_per_tensor", "flat", "flat_compiled", "flat_fused"]


def reason_of(
    strategy: str, rule: Rule, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> str | None:
    made: Strategy = make("strategy", strategy)
    return made.supports(rule, torch.device(device), dtype)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, "torch.optim has no Lion") for name in [*OPTIMIZERS, "flat"]),
        ("flat_fused", "PyTorch has no fused kernel for Lion"),
        ("batched", "Lion has no batched step"),
    ],
)
def test_what_a_rule_does_not_offer_is_a_reason(name: str, said: str, device: str) -> None:
    if (name, device) == ("optimizer_capturable", "cpu"):
        said = "capturable=True needs CUDA, the device is cpu"
    assert reason_of(name, make("rule", "lion"), device) == said


@pytest.mark.parametrize("name", OTHERS)
def test_what_needs_neither_optimizer_nor_kernel_asks_for_none(name: str) -> None:
    assert reason_of(name, make("rule", "lion")) == reason_of(name, Sgd(lr=0.1))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", FLATTENING)
def test_what_is_not_element_wise_is_not_flattened(name: str, device: str) -> None:
    said = "Muon is not element-wise: it needs tensors in their own shape"
    assert reason_of(name, make("rule", "muon"), device) == said


@pytest.mark.parametrize("name", sorted(options("strategy").keys() - set(FLATTENING)))
def test_muon_is_carried_out_or_says_what_pytorch_lacks(name: str) -> None:
    reasons = {
        "cuda_graph": "needs CUDA, the device is cpu",
        "optimizer_capturable": "capturable=True needs CUDA, the device is cpu",
        "optimizer_compiled": "SideBySide.step is no function of lists of tensors",
        "optimizer_foreach": "torch.optim.Muon takes no foreach",
        "optimizer_fused": "torch.optim.Muon takes no fused",
    }
    assert reason_of(name, make("rule", "muon")) == reasons.get(name)


@pytest.mark.parametrize("name", ["optimizer_fused", "flat", "flat_fused"])
@pytest.mark.parametrize("rule_name", ["sgd", "adagrad"])
def test_a_step_that_the_device_refuses_is_a_reason(rule_name: str, name: str) -> None:
    rule: Rule = make("rule", rule_name)
    reason = reason_of(name, rule, "meta")
    assert reason is not None
    assert "meta" in reason.lower()
    assert "\n" not in reason
    assert not reason.endswith(".")
    assert reason_of(name, rule) is None


@pytest.mark.parametrize("name", ["optimizer_fused", "flat", "flat_fused"])
def test_a_device_that_is_not_there_refuses_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "_fused_adagrad_", refuse)
    assert reason_of(name, make("rule", "adagrad"), "cuda") is None


def refuse(*_: Any, **__: Any) -> None:
    raise RuntimeError("Could not run it. It is only available for these backends:\nCPU: …")


@pytest.mark.parametrize("name", ["optimizer_fused", "flat", "flat_fused"])
def test_a_reason_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "_fused_adagrad_", refuse)
    assert reason_of(name, make("rule", "adagrad")) == "Could not run it"


def test_a_step_that_breaks_is_left_to_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("sum")

    monkeypatch.setattr(torch, "_fused_adagrad_", broken)
    for name in ("optimizer_fused", "flat", "flat_fused"):
        assert reason_of(name, make("rule", "adagrad")) is None


def test_the_type_of_the_parameters_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[torch.dtype, int]] = set()

    def kernel(parameters: list[torch.Tensor], *_: Any, **__: Any) -> None:
        seen.update((parameter.dtype, parameter.dim()) for parameter in parameters)

    monkeypatch.setattr(torch, "_fused_adagrad_", kernel)
    for name in ("optimizer_fused", "flat", "flat_fused"):
        reason_of(name, make("rule", "adagrad"), dtype=torch.bfloat16)
        assert seen == {(torch.bfloat16, 2)}
        seen.clear()


@pytest.mark.parametrize("name", sorted(options("strategy")))
def test_a_device_that_is_the_cpu_leaves_cuda_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[str] = []
    for rule_name in options("rule"):
        monkeypatch.setattr(torch.cuda, "_lazy_init", lambda rule=rule_name: touched.append(rule))
        reason_of(name, make("rule", rule_name))
    assert touched == []
