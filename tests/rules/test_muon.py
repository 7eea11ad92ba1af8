"""Muon where matrices stand beside what is none, and its bounds."""

from typing import Any

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Unavailable
from gradbench.rules.muon import Muon
from gradbench.strategies.base import columns, zero_slots
from tests.conftest import make, options

SHAPES = [(6, 4), (4, 6), (4, 6), (5,), (5, 5), (), (2, 3, 2, 2), (1, 4)]


def muon(**overrides: Any) -> Muon:
    made: Muon = instantiate({**options("rule")["muon"], **overrides})
    return made


def started(dtype: torch.dtype = torch.float32) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Values, and gradients of three updates that are no multiples of each other."""
    torch.manual_seed(0)
    values = [torch.randn(shape).to(dtype) for shape in SHAPES]
    return values, [[torch.randn(shape).to(dtype) for shape in SHAPES] for _ in range(3)]


def in_a_loop(rule: Muon, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    values, updates = started(dtype)
    slots = [zero_slots(rule, value) for value in values]
    for count, gradients in enumerate(updates, start=1):
        for value, gradient, state in zip(values, gradients, slots, strict=True):
            rule.step(value, gradient, state, count)
    return values


def through_torch_optim(rule: Muon, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    values, updates = started(dtype)
    parameters = [Parameter(value) for value in values]
    optimizer = rule.optimizer(parameters)
    for gradients in updates:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"adjust_lr": "match_rms_adamw"},
        {"momentum": 0},
        {"weight_decay": 0},
        {"ns_steps": 1},
        {"ns_coefficients": [2, -1.5, 0.5]},
    ],
)
def test_the_step_is_bitwise_that_of_torch_optim(
    overrides: dict[str, Any], dtype: torch.dtype
) -> None:
    """Of matrices; AdamW's by hand is written otherwise than torch.optim's."""
    rule = muon(**overrides)
    pairs = zip(in_a_loop(rule, dtype), through_torch_optim(rule, dtype), strict=True)
    close = (
        {"rtol": 0.05, "atol": 1e-3} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-7}
    )
    for ours, theirs in pairs:
        if ours.dim() == 2:
            assert torch.equal(ours, theirs)
        else:
            torch.testing.assert_close(ours, theirs, **close)


def test_without_nesterov_the_step_is_bitwise_that_of_torch_optim() -> None:
    rule = muon(nesterov=False)
    for ours, theirs in zip(in_a_loop(rule), through_torch_optim(rule), strict=True):
        assert ours.dim() != 2 or torch.equal(ours, theirs)


@pytest.mark.parametrize("form", ["step_list", "step_batched"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_lists_of_mixed_shapes_are_updated_as_in_a_loop(form: str, nesterov: bool) -> None:
    rule = muon(nesterov=nesterov)
    values, updates = started()
    slots = columns(rule, [zero_slots(rule, value) for value in values])
    assert [len(slots[name]) for name in rule.slots] == [5, 3, 3]
    for count, gradients in enumerate(updates, start=1):
        getattr(rule, form)(values, gradients, slots, count)
    for found, expected, before in zip(values, in_a_loop(rule), started()[0], strict=True):
        assert (found - expected).norm() <= 0.02 * (expected - before).norm()


@pytest.mark.parametrize("form", ["step_list", "step_batched"])
@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_lists_may_lack_either_kind(form: str, shape: tuple[int, ...]) -> None:
    rule = muon()
    value, gradient = torch.ones(shape), torch.ones(shape)
    slots = {name: [tensor] for name, tensor in zero_slots(rule, value).items()}
    getattr(rule, form)([value], [gradient], slots, 1)
    assert bool((value < 1).all())


def test_matrices_of_one_shape_share_their_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """However they lie: 4 × 6 and 6 × 4 are one batch."""
    shapes: list[tuple[int, ...]] = []

    def bmm(a: Tensor, b: Tensor) -> Tensor:
        shapes.append(tuple(a.shape))
        return torch.matmul(a, b)

    monkeypatch.setattr(torch, "bmm", bmm)
    rule = muon(ns_steps=1)
    values, updates = started()
    slots = columns(rule, [zero_slots(rule, value) for value in values])
    rule.step_batched(values, updates[0], slots, 1)
    assert sorted(shapes) == [(1, 1, 4), (1, 5, 5), (3, 4, 6)]


@pytest.mark.parametrize(
    ("adjust_lr", "shape", "factor"),
    [
        ("original", (8, 2), 2.0),
        ("original", (2, 8), 1.0),
        ("match_rms_adamw", (4, 25), 1.0),
        ("match_rms_adamw", (25, 4), 1.0),
    ],
)
def test_the_learning_rate_is_adjusted_to_the_shape(
    adjust_lr: str, shape: tuple[int, int], factor: float
) -> None:
    """The singular values of a change are lr times the adjustment, coarsely."""
    rule = muon(adjust_lr=adjust_lr, weight_decay=0, momentum=0)
    torch.manual_seed(0)
    gradient = torch.randn(shape, dtype=torch.float64)
    value = torch.zeros_like(gradient)
    after, _ = rule.reference(value, gradient, zero_slots(rule, value), 1)
    values = torch.linalg.svdvals(after) / rule.lr
    assert 0.6 * factor < values.min() <= values.max() < 1.3 * factor


def test_the_optimizer_is_one_where_one_is_enough() -> None:
    rule = muon()
    matrix, vector, weight = (Parameter(torch.ones(s)) for s in ((2, 3), (3,), (2, 3, 1, 1)))
    assert type(rule.optimizer([matrix])) is torch.optim.Muon
    assert type(rule.optimizer([vector, weight])) is torch.optim.AdamW
    both = rule.optimizer([vector, matrix, weight])
    assert [group["params"] for group in both.param_groups] == [[matrix], [vector, weight]]


def test_the_for_loop_asks_nothing_of_muon_and_other_implementations_do() -> None:
    rule = muon()
    parameters = [Parameter(torch.ones(2, 3)), Parameter(torch.ones(3))]
    assert rule.optimizer(parameters, foreach=False).param_groups[1]["foreach"] is False
    for name in ("foreach", "fused", "capturable"):
        with pytest.raises(TypeError, match=name):
            rule.optimizer(parameters, **{name: True})


def test_an_older_pytorch_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(Unavailable, match=r"torch\.optim\.Muon"):
        muon().optimizer([Parameter(torch.ones(2, 3))])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("momentum", v) for v in (-0.1, 1, "some")),
        *(("weight_decay", v) for v in (-0.1, float("inf"), True)),
        *(("ns_steps", v) for v in (0, 100, 2.5, True)),
        *(("ns_coefficients", v) for v in ([1, 2], [1, 2, "3"], 3, "123", [1, 2, float("nan")])),
        ("eps", -1e-7),
        ("adjust_lr", "none"),
    ],
)
def test_options_are_checked(option: str, value: object) -> None:
    with pytest.raises(InstantiationException, match=rf"rule\.{option}="):
        muon(**{option: value})


def test_a_rule_with_its_coefficients_in_a_list_can_be_a_key() -> None:
    assert len({make("rule", "muon"), muon()}) == 1
