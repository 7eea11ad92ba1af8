import pytest
import torch
from torch import nn

from gradbench.models.base import Batch, loss, place
from gradbench.rules.base import Rule
from gradbench.verify.float64_run import Float64Run, Gradients, Left, trained_parameters
from gradbench.verify.seeding import seed_step
from tests.conftest import make

STEPS = [1, 2, 3]
LEFT: tuple[Left, ...] = ("none", "zeros", "sums")


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
def test_following_each_is_following_one(rule: str, steps: int, device: torch.device) -> None:
    each = float64_run(rule, device).follow_each(steps, LEFT)
    for left in LEFT:
        assert same(each[left], float64_run(rule, device).follow(steps, left))
    assert same(each["none"], each["sums"]) == (steps == 1)


def test_a_rule_that_is_not_element_wise_is_given_whole_tensors(device: torch.device) -> None:
    module, batch = built(device)
    rule = make("rule", "muon")
    second = Float64Run(module, batch, rule, seed=0).follow(2, "none")[1]
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
    assert float64_run("sgd", device).follow_each(2, {"sums"}).keys() == {"sums"}


def test_the_first_gradient_is_that_of_backward(device: torch.device) -> None:
    module, batch = built(device)
    first = Float64Run(module, batch, make("rule", "sgd"), seed=0).follow(1, "none")[0]
    loss(module, batch).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(first[name], parameter.grad, rtol=1e-5, atol=1e-7)


class Chance(nn.Module):
    """Two layers, of which chance uses one, and one that nobody uses."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layer: torch.Tensor = self.layers[int(torch.randint(2, ()))](x)
        return layer


def test_what_chance_uses_is_found_with_the_seeds_of_the_steps() -> None:
    module, batch = Chance(), torch.ones(2, 4)
    every = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    assert len(trained_parameters(module, batch)) == 2
    assert trained_parameters(module, batch, range(20)) == every
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("left", ["none", "zeros"])
def test_a_parameter_without_a_gradient_is_stepped_as_torch_optim_does(left: Left) -> None:
    """With zeros it is, and without a gradient it is not; gradients of a later step tell."""
    rule: Rule = make("rule", "adam").with_lr(0.1)
    module, batch = Chance(), torch.ones(2, 4)
    run = Float64Run(module, batch, rule, seed=0)
    seen = run.follow_each(12, LEFT)
    assert not same(seen["none"], seen["zeros"])
    module.double()
    optimizer = rule.optimizer(list(module.parameters()))
    for step, gradients in enumerate(seen[left]):
        seed_step(torch.device("cpu"), step)
        loss(module, batch.double()).backward()
        for name, parameter in module.named_parameters():
            assert (name in gradients) == (parameter.grad is not None)
            if parameter.grad is not None:
                torch.testing.assert_close(gradients[name], parameter.grad.float())
        optimizer.step()
        module.zero_grad(set_to_none=left == "none")
    counts = {int(state["step"]) for state in optimizer.state.values()}
    assert (max(counts) == 12) == (left == "zeros")


@pytest.mark.parametrize("stride", ["channels_last", "transposed", "gaps"])
def test_parameters_of_any_strides_are_followed(stride: str) -> None:
    """The same values with other strides have the same gradients."""

    class Weight(nn.Module):
        def __init__(self, weight: torch.Tensor) -> None:
            super().__init__()
            self.weight = nn.Parameter(weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.weight * x).sin().sum() + self.weight.square().sum()

    weight = {
        "channels_last": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
        "transposed": torch.randn(3, 4).t(),
        "gaps": torch.randn(6, 8)[:, 2:5],
    }[stride]
    assert not weight.is_contiguous()
    batch = torch.randn(weight.shape)
    rule: Rule = make("rule", "adamw").with_lr(0.1)
    runs = [
        Float64Run(Weight(value), batch, rule, seed=0).follow(3, "none")
        for value in (weight, weight.clone(memory_format=torch.contiguous_format))
    ]
    assert same(*runs)
    assert not torch.allclose(runs[0][0]["weight"], runs[0][2]["weight"])
