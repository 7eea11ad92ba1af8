"""The flat strategies, in what people do with a module besides updating it."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from gradbench.rules.base import Rule, Unavailable
from gradbench.strategies.flattening import flat_state, flatten, order
from gradbench.timing.binding import bind_with_gradients
from tests.conftest import allocate, make

FLAT = ["flat", "flat_fused", "flat_compiled"]


def network(device: torch.device) -> nn.Module:
    torch.manual_seed(0)
    # A bias before a batch norm has a gradient of rounding alone, which Adam makes a whole step.
    convolution = nn.Conv2d(1, 4, 3, bias=False)
    return nn.Sequential(
        convolution, nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 8), nn.Linear(8, 2)
    ).to(device)


def descend(module: nn.Module) -> float:
    torch.manual_seed(1)
    batch = torch.randn(4, 1, 8, 8).to(next(module.parameters()).device)
    with torch.backends.cudnn.flags(enabled=False):  # it rounds to TF32, and not always alike
        loss = module(batch).square().mean()
        loss.backward()
    return float(loss)


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("name", FLAT)
def test_a_module_trains_as_with_torch_optim(
    name: str, set_to_none: bool, device: torch.device
) -> None:
    rule: Rule = make("rule", "adamw")
    module, twin = network(device), network(device)
    parameters = list(module.parameters())
    slots = [{n: torch.zeros_like(p) for n in rule.slots} for p in parameters]
    binding = make("strategy", name).bind(rule, parameters, slots)
    optimizer = rule.optimizer(list(twin.parameters()))
    losses = []
    for _ in range(4):
        losses.append(descend(module))
        assert losses[-1] == pytest.approx(descend(twin), rel=1e-5)
        binding.step()
        optimizer.step()
        module.zero_grad(set_to_none=set_to_none)
        optimizer.zero_grad(set_to_none=set_to_none)
    assert all(after < before for before, after in pairwise(losses))
    for (key, value), other in zip(
        module.state_dict().items(), twin.state_dict().values(), strict=True
    ):
        assert torch.allclose(value, other, rtol=1e-5, atol=1e-6), key


@pytest.mark.parametrize("rule_name", ["sgd", "momentum", "nesterov", "adagrad"])
def test_the_fused_kernel_is_all_there_is_to_a_step(rule_name: str) -> None:
    """No count advances where no update depends on it."""
    rule: Rule = make("rule", rule_name)
    tensors = allocate(rule)
    tensors.arrive(0)
    parameters = tensors.tensors.parameters()
    binding = make("strategy", "flat_fused").bind(rule, parameters, tensors.slots)
    for parameter, gradient in zip(parameters, tensors.arriving, strict=True):
        parameter.grad = gradient
    binding.step()  # gathers them, and puts the buffer into .grad
    with Kernels() as seen:
        binding.step()
    assert len(seen.names) == 1
    assert "_fused_" in seen.names[0]


class Kernels(TorchDispatchMode):
    """Sees what is called of ATen."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.names.append(function.name())
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", FLAT)
def test_loading_a_state_is_seen_by_the_next_update(name: str, device: torch.device) -> None:
    rule: Rule = make("rule", "sgd")
    module = network(device)
    start = {key: value.clone() for key, value in module.state_dict().items()}
    parameters = list(module.parameters())
    binding = make("strategy", name).bind(rule, parameters, [{} for _ in parameters])
    first = descend(module)
    binding.step()
    module.zero_grad()
    module.load_state_dict(start)
    assert descend(module) == pytest.approx(first, rel=1e-6)


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("lost", [0, 1, 4])
def test_a_missing_gradient_is_refused(name: str, lost: int, device: torch.device) -> None:
    rule: Rule = make("rule", "sgd")
    tensors = allocate(rule, device=device)
    tensors.arrive(0)
    parameters = tensors.tensors.parameters()
    binding = make("strategy", name).bind(rule, parameters, tensors.slots)
    for parameter, gradient in zip(parameters, tensors.arriving, strict=True):
        parameter.grad = gradient
    parameters[lost].grad = None
    with pytest.raises(Unavailable, match="None"):
        binding.step()


@pytest.mark.parametrize("foreign", [set(), {0}, {1, 3}, {0, 1, 2, 3, 4}])
def test_every_gradient_reaches_its_place(foreign: set[int], device: torch.device) -> None:
    tensors = allocate(make("rule", "sgd"), device=device)
    parameters = tensors.tensors.parameters()
    flat = flatten(parameters)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    flat.gather()  # which puts the buffer into .grad
    views = [parameter.grad for parameter in parameters]
    expected = [torch.randn_like(parameter) for parameter in parameters]
    for index, (parameter, gradient) in enumerate(zip(parameters, expected, strict=True)):
        if index in foreign:
            parameter.grad = gradient.clone()
        else:
            assert parameter.grad is not None
            parameter.grad.copy_(gradient)
    flat.gather()
    for view, gradient in zip(views, expected, strict=True):
        assert view is not None
        assert torch.equal(view, gradient)
    assert flat.buffer.grad is not None
    everything = torch.cat([gradient.reshape(-1) for gradient in expected])
    assert torch.equal(everything.sort().values, flat.buffer.grad.sort().values)


def test_shapes_that_join_lie_side_by_side() -> None:
    shapes = ((4, 3), (3,), (5, 3), (), (2,), (3, 4), (0, 3), ())
    tensors = [torch.empty(3, 4).t(), *map(torch.empty, shapes)]
    assert [tuple(tensors[i].shape) for i in order(tensors)] == [
        (), (), (3,), (2,), (4, 3), (5, 3), (0, 3), (3, 4), (4, 3),
    ]  # fmt: skip
    assert order(tensors)[-1] == 0  # what is not contiguous cannot be joined


def test_what_lies_in_one_buffer_stays_there(device: torch.device) -> None:
    rule: Rule = make("rule", "adamw")
    tensors = allocate(rule, device=device).tensors
    joined = tensors.flat
    parameters = joined.parameters()
    for parameter, gradient in zip(parameters, joined.gradients, strict=True):
        parameter.grad = gradient
    flat = flatten(parameters)
    state = flat_state(rule, joined.slots, flat.buffer)
    assert flat.buffer.grad is not None
    for name, buffer, parts in [
        ("values", flat.buffer, joined.values),
        ("gradients", flat.buffer.grad, joined.gradients),
        *((slot, state[slot], [row[slot] for row in joined.slots]) for slot in rule.slots),
    ]:
        buffer.detach().copy_(torch.arange(float(buffer.numel()), device=device))
        everything = torch.cat([part.reshape(-1) for part in parts])
        assert torch.equal(everything.sort().values, buffer.detach()), name
    for value, mine in zip(tensors.values, joined.values, strict=True):
        assert value.shape == mine.shape
        assert value.untyped_storage().data_ptr() != mine.untyped_storage().data_ptr()


def test_what_lies_apart_is_copied(device: torch.device) -> None:
    tensors = allocate(make("rule", "sgd"), device=device).tensors  # guards lie between them
    before = [value.clone() for value in tensors.values]
    parameters = tensors.parameters()
    flatten(parameters)
    with torch.no_grad():
        for parameter, value in zip(parameters, before, strict=True):
            assert torch.equal(parameter, value)
            parameter.zero_()
    assert all(map(torch.equal, tensors.values, before))


@pytest.mark.parametrize("rule_name", ["sgd", "adamw"])
@pytest.mark.parametrize("zeroing", ["set_to_none", "set_to_zero"])
def test_flat_strategies_of_a_replicate_share_their_memory(
    rule_name: str, zeroing: str, device: torch.device
) -> None:
    rule: Rule = make("rule", rule_name)
    tensors = allocate(rule, device=device).tensors
    start = [value.clone() for value in tensors.flat.values]
    for name in FLAT:
        step, release = bind_with_gradients(
            make("strategy", name), make("zeroing", zeroing), rule, tensors
        )
        step()
        for after, before in zip(tensors.flat.values, start, strict=True):
            assert (after != before).all()
            before.copy_(after)
        release()
