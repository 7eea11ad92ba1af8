"""The call that an optimizer's step makes is seen, and is the step."""

import inspect

import pytest
import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule
from gradbench.strategies.functional import functional_call, functional_refusal
from gradbench.strategies.probe import optimizer_refusal
from tests.conftest import CPU, make, options

OFFERED = [
    name
    for name in sorted(options("rule"))
    if optimizer_refusal(make("rule", name), CPU, torch.float32, {}) is None
    and functional_refusal(make("rule", name).optimizer([Parameter(torch.ones(2))])) is None
    and make("rule", name).element_wise  # muon's is two side by side
]


def fresh() -> list[Parameter]:
    parameters = [Parameter(torch.ones(shape)) for shape in ((3, 4), (4,), (2, 3))]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 0.5)
    return parameters


@pytest.mark.parametrize("name", OFFERED)
def test_the_call_is_the_optimizers_own(name: str) -> None:
    """Making it again, with the lists it had, is a step."""
    rule: Rule = make("rule", name)
    parameters, expected = fresh(), fresh()
    optimizer, plain = rule.optimizer(parameters), rule.optimizer(expected)
    call = functional_call(optimizer)
    assert [p.detach().unique().tolist() for p in parameters] == [[1.0]] * 3  # nothing was updated
    assert call.lists[0] == parameters
    assert [g is p.grad for g, p in zip(call.lists[1], parameters, strict=True)] == [True] * 3
    with torch.no_grad():
        call.function(*call.lists, **call.keywords)
    plain.step()
    torch.testing.assert_close(parameters, expected)


def test_a_step_that_is_no_function_of_lists_is_skipped() -> None:
    parameters = [Parameter(torch.ones(2))]
    assert functional_refusal(torch.optim.Adam(parameters)) is None
    reason = functional_refusal(torch.optim.LBFGS(parameters))
    assert reason == "LBFGS.step is no function of lists of tensors"


def test_every_optimizer_of_torch_that_has_lists_is_understood() -> None:
    """torch.optim calls its functions by their global names."""
    parameters = [Parameter(torch.ones(2, 2))]
    lists = [
        kind
        for kind in vars(torch.optim).values()
        if inspect.isclass(kind)
        and issubclass(kind, torch.optim.Optimizer)
        and "foreach" in inspect.signature(kind).parameters
    ]
    assert len(lists) > 9
    assert {kind.__name__: functional_refusal(kind(parameters)) for kind in lists} == {
        kind.__name__: None for kind in lists
    }
