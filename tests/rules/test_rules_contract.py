from collections.abc import Callable
from typing import Any

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from torch import Tensor
from torch.nn import Parameter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gradbench.rules.base import Rule, Unavailable
from gradbench.strategies.base import columns, zero_slots
from tests.conftest import CPU, make, options

RULES = sorted(options("rule"))
GRADIENTS = (1.0, 0.5, 2.0, -1.0)


def start(device: torch.device) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(0)
    value, *gradients = torch.randn(1 + len(GRADIENTS), 5, 3).double().to(device)
    return value, [factor * gradient for factor, gradient in zip(GRADIENTS, gradients, strict=True)]


def reference(rule: Rule, device: torch.device) -> Tensor:
    value, gradients = start(device)
    slots = zero_slots(rule, value)
    for count, gradient in enumerate(gradients, start=1):
        value, slots = rule.reference(value, gradient, slots, count)
    return value


def assert_follows(rule: Rule, value: Tensor, device: torch.device) -> None:
    """Bitwise nearly so, or as near as the type lets it come in which the rule computes."""
    expected = reference(rule, device)
    inner = rule.inner_dtype_of(value.shape)
    if inner is None:
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-14)
    else:
        change = (expected - start(device)[0]).norm()
        assert (value - expected).norm() <= 8 * torch.finfo(inner).eps * change


@pytest.mark.parametrize("name", RULES)
def test_reference_is_what_torch_optim_means(name: str, device: torch.device) -> None:
    rule: Rule = make("rule", name)
    value, gradients = start(device)
    parameter = Parameter(value.clone())
    try:
        optimizer = rule.optimizer([parameter], foreach=False)
    except Unavailable as reason:
        pytest.skip(str(reason))
    for gradient in gradients:
        parameter.grad = gradient
        optimizer.step()
    assert_follows(rule, parameter.detach(), device)
    assert set(rule.slots_of(value.shape)) <= set(optimizer.state[parameter])


@pytest.mark.parametrize("name", RULES)
def test_reference_leaves_its_arguments_alone(name: str, device: torch.device) -> None:
    rule: Rule = make("rule", name)
    value, gradients = start(device)
    slots = {slot: torch.ones_like(value) for slot in rule.slots_of(value.shape)}
    before = [value.clone(), gradients[0].clone()]
    rule.reference(value, gradients[0], slots, 1)
    assert torch.equal(value, before[0])
    assert torch.equal(gradients[0], before[1])
    assert all(bool((tensor == 1).all()) for tensor in slots.values())


@pytest.mark.parametrize("as_tensor", [False, True], ids=["int", "tensor"])
@pytest.mark.parametrize("form", ["step", "change", "step_list", "step_batched"])
@pytest.mark.parametrize("name", RULES)
def test_each_form_follows_the_reference(
    name: str, form: str, as_tensor: bool, device: torch.device
) -> None:
    rule: Rule = make("rule", name)
    value, gradients = start(device)
    slots = zero_slots(rule, value)
    for number, gradient in enumerate(gradients, start=1):
        count = value.new_tensor(float(number)) if as_tensor else number
        kept = gradient.clone()
        try:
            if form == "step":
                rule.step(value, gradient, slots, count)
            elif form == "change":
                value = value + rule.change(value, gradient, slots, count)
            else:
                getattr(rule, form)([value], [gradient], columns(rule, [slots]), count)
        except Unavailable as reason:
            pytest.skip(str(reason))
        assert torch.equal(gradient, kept)
    assert_follows(rule, value, device)


@pytest.mark.parametrize("name", RULES)
def test_fused_step_follows_the_reference(name: str, device: torch.device) -> None:
    rule: Rule = make("rule", name)
    value, gradients = start(device)
    slots = columns(rule, [zero_slots(rule, value)])
    # Of updates so far; the rule's to advance.
    count = torch.zeros((), dtype=torch.float32, device=device)
    for gradient in gradients:
        kept = gradient.clone()
        try:
            rule.step_fused([value], [gradient], slots, [count])
        except (Unavailable, NotImplementedError) as reason:
            pytest.skip(str(reason).splitlines()[0])
        assert torch.equal(gradient, kept)
    # CUDA's kernels take decay rates, and their powers, in float32.
    rtol = 1e-12 if device.type == "cpu" else 1e-6
    torch.testing.assert_close(value, reference(rule, device), rtol=rtol, atol=1e-14)


class ListOperands(TorchDispatchMode):
    """Sees what is called of ATen, and the dtype of every tensor that a list kernel is given."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.names.add(function.name())
        if "_foreach_" in function.name():
            given = tree_leaves((args, kwargs))
            self.dtypes |= {leaf.dtype for leaf in given if isinstance(leaf, Tensor)}
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_list_step_gives_its_kernels_one_dtype(
    name: str, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """On CUDA a number of another dtype takes a kernel for each tensor instead of one for all.

    A number that the host reads has no dtype, and cannot be captured in a CUDA graph.
    """
    rule: Rule = make("rule", name)
    value = torch.ones(shape, dtype=dtype)
    slots = columns(rule, [zero_slots(rule, value)])
    count = torch.ones((), dtype=torch.float64)
    with ListOperands() as seen:
        try:
            rule.step_list([value], [torch.ones_like(value)], slots, count)
        except Unavailable as reason:
            pytest.skip(str(reason))
    assert seen.dtypes == {dtype}
    assert "aten::_local_scalar_dense" not in seen.names


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("shape", [(), (3,), (3, 2), (2, 3, 1, 1)])
def test_accesses_count_parameter_gradient_and_state(name: str, shape: tuple[int, ...]) -> None:
    rule: Rule = make("rule", name)
    slots = rule.slots_of(torch.Size(shape))
    assert set(slots) <= set(rule.slots)
    assert rule.accesses_of(torch.Size(shape)) == 3 + 2 * len(slots)


@pytest.mark.parametrize("name", RULES)
def test_only_an_element_wise_rule_updates_a_line_as_it_updates_a_matrix(name: str) -> None:
    rule: Rule = make("rule", name)
    value, gradients = start(CPU)
    line, lines = value.view(-1), [gradient.view(-1) for gradient in gradients]
    slots, line_slots = zero_slots(rule, value), zero_slots(rule, line)
    for count, gradient in enumerate(gradients, start=1):
        value, slots = rule.reference(value, gradient, slots, count)
        line, line_slots = rule.reference(line, lines[count - 1], line_slots, count)
    assert torch.equal(value.view(-1), line) == rule.element_wise


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("lr", [-1.0, float("nan"), "fast", True, None])
def test_learning_rate_is_checked(name: str, lr: object) -> None:
    option = {**options("rule")[name], "lr": lr}
    target = option.pop("_target_")
    from hydra.utils import get_class

    with pytest.raises(ValueError, match=r"rule\.lr"):
        get_class(target)(**option)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("nesterov", torch.optim.SGD)],
)
def test_a_familys_rules_have_the_optimizers_of_their_names(
    name: str, optimizer: type[torch.optim.Optimizer]
) -> None:
    rule: Rule = make("rule", name)
    made = rule.optimizer([Parameter(torch.ones(2))])
    assert type(made) is optimizer
    assert made.defaults.get("nesterov", False) == (name == "nesterov")


BOUNDS = [
    (name, option)
    for name in RULES
    for option, value in options("rule")[name].items()
    if isinstance(value, (int, float)) and not isinstance(value, bool)
]


@pytest.mark.parametrize(("name", "option"), BOUNDS)
def test_zero_is_refused_where_torch_optim_refuses_it(name: str, option: str) -> None:
    """And it is carried out there: an ordinary choice, such as no weight decay."""
    if (name, option) == ("nesterov", "momentum"):
        with pytest.raises(InstantiationException, match=r"rule\.momentum=0: .* choose"):
            instantiate({**options("rule")[name], option: 0})
        with pytest.raises(ValueError, match="momentum"):
            torch.optim.SGD([Parameter(torch.ones(2))], nesterov=True)
        return
    if option == "ns_steps":
        with pytest.raises(InstantiationException, match=r"rule\.ns_steps=0: choose"):
            instantiate({**options("rule")[name], option: 0})
        return
    rule: Rule = instantiate({**options("rule")[name], option: 0})
    value, gradients = start(torch.device("cpu"))
    for step in steps_of(rule):
        after, state = value.clone(), zero_slots(rule, value)
        counter = torch.zeros((), dtype=torch.float32)
        for count, gradient in enumerate(gradients, start=1):
            try:
                step(after, gradient, state, count, counter)
            except (Unavailable, NotImplementedError):
                break
        else:
            expected = reference(rule, value.device)
            rough = rule.inner_dtype_of(value.shape) is not None
            torch.testing.assert_close(after, expected, rtol=1e-2 if rough else 1e-6, atol=1e-7)


def steps_of(rule: Rule) -> list[Callable[..., None]]:
    """The forms of a step in place."""

    def listed(p: Tensor, g: Tensor, slots: dict[str, Tensor], count: int, _: Tensor) -> None:
        rule.step_list([p], [g], {name: [slot] for name, slot in slots.items()}, count)

    def fused(p: Tensor, g: Tensor, slots: dict[str, Tensor], _: int, counter: Tensor) -> None:
        rule.step_fused([p], [g], {name: [slot] for name, slot in slots.items()}, [counter])

    def plain(p: Tensor, g: Tensor, slots: dict[str, Tensor], count: int, _: Tensor) -> None:
        rule.step(p, g, slots, count)

    return [plain, listed, fused]


@pytest.mark.parametrize(("name", "option"), BOUNDS)
@pytest.mark.parametrize("value", [-0.01, float("nan"), float("inf"), True, "some"])
def test_what_no_optimizer_takes_is_refused_by_name(name: str, option: str, value: object) -> None:
    with pytest.raises(InstantiationException, match=rf"rule\.{option}=.*choose"):
        instantiate({**options("rule")[name], option: value})


@pytest.mark.parametrize("name", RULES)
def test_a_learning_rate_is_changed_alone(name: str) -> None:
    rule: Rule = make("rule", name)
    assert rule.with_lr(2 * rule.lr).with_lr(rule.lr) == rule
    assert rule.with_lr(0.0).lr == 0
    if rule.element_wise:  # muon's AdamW goes with it
        assert rule.with_lr(0.0) == instantiate({**options("rule")[name], "lr": 0.0})
    with pytest.raises(ValueError, match=r"rule\.lr=-1"):
        rule.with_lr(-1)
