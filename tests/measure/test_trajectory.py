import pytest
import torch

from gradbench.measure.trajectory import Gradients, Reference
from gradbench.models.base import loss
from tests.conftest import make

STEPS = [1, 2, 3]


def reference(rule: str) -> Reference:
    torch.manual_seed(0)
    module, batch = make("model", "mlp_small").build()
    return Reference(module, batch, make("rule", rule), seed=0)


def same(a: list[Gradients], b: list[Gradients]) -> bool:
    pairs = zip(a, b, strict=True)
    return all(
        x.keys() == y.keys() and all(torch.allclose(x[n], y[n], rtol=1e-6) for n in x)
        for x, y in pairs
    )


@pytest.mark.parametrize("rule", ["sgd", "adamw"])
@pytest.mark.parametrize("steps", STEPS)
def test_following_both_is_following_each(rule: str, steps: int) -> None:
    both = reference(rule).follow_both(steps, {False, True})
    for accumulates in (False, True):
        alone = reference(rule).follow(steps, accumulates=accumulates)
        assert same(both[accumulates], alone)
    assert same(both[False], both[True]) == (steps == 1)


def test_one_trajectory_is_followed_alone() -> None:
    assert reference("sgd").follow_both(2, {True}).keys() == {True}


def test_the_first_gradient_is_that_of_backward() -> None:
    torch.manual_seed(0)
    module, batch = make("model", "mlp_small").build()
    first = Reference(module, batch, make("rule", "sgd"), seed=0).follow(1, accumulates=False)[0]
    loss(module, batch).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(first[name], parameter.grad, rtol=1e-5, atol=1e-7)
