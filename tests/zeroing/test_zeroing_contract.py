import pytest
import torch
from torch.nn import Parameter

from gradbench.zeroing.base import Zeroing
from tests.conftest import make, options


@pytest.mark.parametrize("name", sorted(options("zeroing")))
def test_zeroing_does_what_it_says(name: str, device: torch.device) -> None:
    zeroing: Zeroing = make("zeroing", name)
    parameters = [Parameter(torch.ones(shape, device=device)) for shape in ((3,), (2, 2), (1,))]
    for parameter in parameters[:2]:
        parameter.grad = torch.full_like(parameter, 5.0)
    held = [parameter.grad for parameter in parameters[:2]]
    zeroing.bind(parameters)()
    assert parameters[2].grad is None
    for parameter, before in zip(parameters, held, strict=False):
        if zeroing.releases:
            assert parameter.grad is None
            continue
        assert parameter.grad is before
        assert parameter.grad is not None
        expected = 5.0 if zeroing.accumulates else 0.0
        assert bool((parameter.grad == expected).all())


@pytest.mark.parametrize("name", sorted(options("zeroing")))
def test_zeroing_without_any_gradient(name: str, device: torch.device) -> None:
    parameters = [Parameter(torch.ones(3, device=device))]
    make("zeroing", name).bind(parameters)()
    assert parameters[0].grad is None
