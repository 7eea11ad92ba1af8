import pytest
import torch

from gradbench.calibration.planted import Planted
from gradbench.strategies.foreach import Foreach
from gradbench.strategies.no_grad import NoGrad
from gradbench.verify.tensors import Tensors
from tests.conftest import SHAPES, allocate, make


@pytest.mark.parametrize("strategy", [NoGrad(), Foreach()])
@pytest.mark.parametrize("rule", ["sgd", "adamw"])
def test_the_planted_work_changes_nothing_of_the_update(strategy: object, rule: str) -> None:
    made = make("rule", rule)
    results = []
    for chosen in (strategy, Planted(strategy, 0.5)):  # type: ignore[arg-type]
        verifiable = allocate(made)
        verifiable.reset()
        verifiable.arrive(0)
        parameters = verifiable.tensors.parameters()
        binding = chosen.bind(made, parameters, verifiable.slots)  # type: ignore[attr-defined]
        for parameter, gradient in zip(parameters, verifiable.arriving, strict=True):
            parameter.grad = gradient
        binding.step()
        binding.step()
        binding.release()
        results.append([p.detach().clone() for p in parameters])
    for plain, planted in zip(*results, strict=True):
        assert torch.equal(plain, planted)


@pytest.mark.parametrize(("fraction", "updated"), [(0.001, 1), (0.4, 2), (1.0, 5)])
def test_the_share_of_tensors_is_updated_again(fraction: float, updated: int) -> None:
    """The rule is called once more for each tensor of the share."""
    sgd = make("rule", "sgd")
    seen: list[torch.Size] = []

    class Counting:
        slots = sgd.slots

        def step(self, parameter: torch.Tensor, *rest: object) -> None:
            seen.append(parameter.shape)

    torch.manual_seed(0)
    tensors = Tensors.allocate(SHAPES, torch.float32, torch.device("cpu"), sgd)
    parameters = tensors.parameters()
    for parameter, gradient in zip(parameters, tensors.gradients, strict=True):
        parameter.grad = gradient
    binding = Planted(NoGrad(), fraction).bind(Counting(), parameters, tensors.slots)  # type: ignore[arg-type]
    binding.step()
    assert len(seen) == len(SHAPES) + updated


@pytest.mark.parametrize("fraction", [0.0, -1.0, 1.5])
def test_a_fraction_is_a_share(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        Planted(NoGrad(), fraction)
