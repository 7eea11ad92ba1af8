"""Implementations: where foreach and fused optimizers do something else than the for-loop does.

An optimizer's implementations are meant to differ in speed. The for-loop writes the parameter and
nothing else, whatever the memory layout of parameter and gradient.
"""

from collections.abc import Iterator

import torch

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State

ONLY_FASTER = "The foreach and fused implementations are typically faster than the for-loop."


def gradient_rewritten(device):
    """The foreach implementation adds the momentum to the gradient in place."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9, nesterov=True, foreach=True)
    (3 * w).sum().backward()
    optimizer.step()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def gradient_rewritten_fix(device):
    """Ask for the for-loop."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9, nesterov=True, foreach=False)
    (3 * w).sum().backward()
    optimizer.step()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def gradient_rewritten_twin(device):
    """Ordinary momentum leaves the gradient as it is in both."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9, foreach=True)
    (3 * w).sum().backward()
    optimizer.step()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def transposed_gradient(device):
    """The fused kernel of the CPU walks through memory, where a transpose has another order."""
    w = torch.zeros(2, 3, device=device, requires_grad=True)
    w.grad = torch.arange(6.0, device=device).reshape(3, 2).t()
    torch.optim.SGD([w], lr=1, fused=True).step()
    return {"got": w, "right": -w.grad}


def transposed_gradient_fix(device):
    """Give the gradient the layout of the parameter."""
    w = torch.zeros(2, 3, device=device, requires_grad=True)
    w.grad = torch.arange(6.0, device=device).reshape(3, 2).t().contiguous()
    torch.optim.SGD([w], lr=1, fused=True).step()
    return {"got": w, "right": -w.grad}


def transposed_gradient_twin(device):
    """Backward stores a gradient in the layout of its parameter, so that this is right."""
    w = torch.zeros(2, 3, device=device, requires_grad=True)
    (w.t() * torch.arange(6.0, device=device).reshape(3, 2)).sum().backward()
    torch.optim.SGD([w], lr=1, fused=True).step()
    return {"got": w, "right": -w.grad}


def strided_parameter(device):
    """A column of a matrix has gaps, which the CPU's fused kernel writes into instead."""
    matrix = torch.zeros(4, 2, device=device)
    w = matrix[:, 0].requires_grad_()
    w.grad = torch.ones(4, device=device)
    torch.optim.SGD([w], lr=1, fused=True).step()
    return {"got": matrix, "right": torch.tensor([[-1.0, 0.0]] * 4)}


def strided_parameter_fix(device):
    """The for-loop and foreach follow the strides."""
    matrix = torch.zeros(4, 2, device=device)
    w = matrix[:, 0].requires_grad_()
    w.grad = torch.ones(4, device=device)
    torch.optim.SGD([w], lr=1, foreach=True).step()
    return {"got": matrix, "right": torch.tensor([[-1.0, 0.0]] * 4)}


def strided_parameter_twin(device):
    """A row has no gaps: parameters that are slices of one flat buffer are fine."""
    matrix = torch.zeros(2, 4, device=device)
    w = matrix[0].requires_grad_()
    w.grad = torch.ones(4, device=device)
    torch.optim.SGD([w], lr=1, fused=True).step()
    return {"got": matrix, "right": torch.tensor([[-1.0] * 4, [0.0] * 4])}


MODES = (
    FailureMode(
        title="`.grad` after a step of `SGD(nesterov=True, foreach=True)`",
        broken=gradient_rewritten,
        fix=gradient_rewritten_fix,
        twin=gradient_rewritten_twin,
        state=State.wrong,
        source="docs: torch.optim.SGD, fused; pt#92706",
        promise=ONLY_FASTER,
    ),
    FailureMode(
        title="`fused=True` and a gradient assigned in another memory layout",
        broken=transposed_gradient,
        fix=transposed_gradient_fix,
        twin=transposed_gradient_twin,
        state=State.wrong,
        source="docs: torch.optim.SGD, fused; pt#106951",
        promise=ONLY_FASTER,
    ),
    FailureMode(
        title="`fused=True` and a parameter that is a column of a matrix",
        broken=strided_parameter,
        fix=strided_parameter_fix,
        twin=strided_parameter_twin,
        state=State.wrong,
        source="docs: torch.optim.SGD, fused",
        promise=ONLY_FASTER,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
