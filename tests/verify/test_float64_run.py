import pytest
import torch
from torch import nn

from gradbench.models.base import Batch, loss, place
from gradbench.verify.float64_run import Float64Run, Gradients
from tests.conftest import make

STEPS = [1, 2, 3]


def built(device: torch.device) -> tuple[nn.Module, Batch]:
    torch.manual_seed(0)
    return place(*make("model", "mlp_small").build(), device, torch.float32)


def float64_run(rule: str, device: torch.device) -> Float64Run:
    return Float64Run(*built(device), make("rule", rule), seed=0)


def same(a: list[Gradients], b: list[Gradients]) -> bool:
    pairs = zip(a, b, strict=True)
    return all(
        x.keys() == y.keys() and all(torch.allclose(x[n], y[n], rtol=1e-6) for n in x)
        for x, y in pairs
    )


@pytest.mark.parametrize("rule", ["sgd", "adamw", "muon"])
@pytest.mark.parametrize("steps", STEPS)
def test_following_both_is_following_each(rule: str, steps: int, device: torch.device) -> None:
    both = float64_run(rule, device).follow_both(steps, {False, True})
    for accumulates in (False, True):
        alone = float64_run(rule, device).follow(steps, accumulates=accumulates)
        assert same(both[accumulates], alone)
    assert same(both[False], both[True]) == (steps == 1)


def test_a_rule_that_is_not_element_wise_is_given_whole_tensors(device: torch.device) -> None:
    module, batch = built(device)
    rule = make("rule", "muon")
    second = Float64Run(module, batch, rule, seed=0).follow(2, accumulates=False)[1]
    module.double()
    optimizer = rule.optimizer(list(module.parameters()))
    loss(module, batch.double()).backward()  # type: ignore[union-attr]
    optimizer.step()
    optimizer.zero_grad()
    loss(module, batch.double()).backward()  # type: ignore[union-attr]
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None
        # torch.optim.Muon orthogonalises in bfloat16.
        error = (second[name] - parameter.grad).norm() / parameter.grad.norm()
        assert error < 0.01


def test_one_run_is_followed_alone(device: torch.device) -> None:
    assert float64_run("sgd", device).follow_both(2, {True}).keys() == {True}


def test_the_first_gradient_is_that_of_backward(device: torch.device) -> None:
    module, batch = built(device)
    first = Float64Run(module, batch, make("rule", "sgd"), seed=0).follow(1, accumulates=False)[0]
    loss(module, batch).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(first[name], parameter.grad, rtol=1e-5, atol=1e-7)
