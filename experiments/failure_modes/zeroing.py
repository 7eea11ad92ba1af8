"""Zeroing: gradients that are added up, cleared too early, or shared.

``backward`` adds to ``.grad``, in place where there already is one. Who clears it, when, and who
else holds the same tensor is up to the training loop.
"""

from collections.abc import Iterator

import torch

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def never_zeroed(device):
    """Backward adds to what is there."""
    w = torch.ones(2, device=device, requires_grad=True)
    for _ in range(2):
        (3 * w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def never_zeroed_fix(device):
    """Clear the gradient before each backward."""
    w = torch.ones(2, device=device, requires_grad=True)
    for _ in range(2):
        w.grad = None
        (3 * w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def never_zeroed_twin(device):
    """Micro-batches are meant to add up, each with its share of the loss."""
    w = torch.ones(2, device=device, requires_grad=True)
    for _ in range(2):
        ((3 * w).sum() / 2).backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def read_after_zeroing(device):
    """Since PyTorch 2.0 zero_grad removes the gradients; a statistic taken later finds None."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    (3 * w).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def read_after_zeroing_fix(device):
    """Read between backward and zero_grad."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    (3 * w).sum().backward()
    gradient = w.grad
    optimizer.step()
    optimizer.zero_grad()
    return {"got": gradient, "right": torch.full((2,), 3.0)}


def read_after_zeroing_twin(device):
    """The step itself leaves the gradients as they are."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    (3 * w).sum().backward()
    optimizer.step()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def zeroed_before_step(device):
    """The step finds no gradient and skips every parameter without a word."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    (3 * w).sum().backward()
    optimizer.zero_grad()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.7), "lost": torch.ones(2)}


def zeroed_before_step_fix(device):
    """Zero, backward, step."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    optimizer.zero_grad()
    (3 * w).sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.7), "lost": torch.ones(2)}


def zeroed_before_step_twin(device):
    """Between forward and backward zeroing is in time: the graph does not hold `.grad`."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    loss = (3 * w).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.7), "lost": torch.ones(2)}


def kept_gradient_zeroed(device):
    """What was kept is the tensor itself, and `set_to_none=False` writes zeros into it."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    (3 * w).sum().backward()
    kept = w.grad
    optimizer.zero_grad(set_to_none=False)
    return {"got": kept, "right": torch.full((2,), 3.0)}


def kept_gradient_zeroed_fix(device):
    """Keep a copy."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    (3 * w).sum().backward()
    kept = w.grad.clone()
    optimizer.zero_grad(set_to_none=False)
    return {"got": kept, "right": torch.full((2,), 3.0)}


def kept_gradient_zeroed_twin(device):
    """Set to None, the parameter lets go of the tensor, and who kept it has it alone."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    (3 * w).sum().backward()
    kept = w.grad
    optimizer.zero_grad()
    (5 * w).sum().backward()
    return {"got": kept, "right": torch.full((2,), 3.0)}


def zero_still_moves(device):
    """A zero gradient is a gradient: momentum, weight decay and Adam's moments go on."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    (3 * w).sum().backward()
    optimizer.step()
    before = w.detach().clone()
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    return {"got": w, "right": before}


def zero_still_moves_fix(device):
    """An optimizer skips a parameter whose gradient is None."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    (3 * w).sum().backward()
    optimizer.step()
    before = w.detach().clone()
    optimizer.zero_grad()
    optimizer.step()
    return {"got": w, "right": before}


def zero_still_moves_twin(device):
    """Plain SGD has no memory: a zero gradient moves nothing."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    (3 * w).sum().backward()
    optimizer.step()
    before = w.detach().clone()
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    return {"got": w, "right": before}


def gradient_tensor_shared(device):
    """Both `.grad` are one tensor, and backward adds into it for either parameter."""
    a = torch.ones(2, device=device, requires_grad=True)
    b = torch.ones(2, device=device, requires_grad=True)
    a.grad = b.grad = torch.zeros(2, device=device)
    (a + b).sum().backward()
    return {"got": a.grad, "right": torch.ones(2)}


def gradient_tensor_shared_fix(device):
    """One tensor for each."""
    a = torch.ones(2, device=device, requires_grad=True)
    b = torch.ones(2, device=device, requires_grad=True)
    a.grad, b.grad = torch.zeros_like(a), torch.zeros_like(b)
    (a + b).sum().backward()
    return {"got": a.grad, "right": torch.ones(2)}


def gradient_tensor_shared_twin(device):
    """Slices of one buffer do not overlap: a flat gradient is fine."""
    a = torch.ones(2, device=device, requires_grad=True)
    b = torch.ones(2, device=device, requires_grad=True)
    a.grad, b.grad = torch.zeros(4, device=device).split(2)
    (a + b).sum().backward()
    return {"got": a.grad, "right": torch.ones(2)}


MODES = (
    FailureMode(
        title="No zeroing between two steps",
        broken=never_zeroed,
        fix=never_zeroed_fix,
        twin=never_zeroed_twin,
        state=State.doubled,
        source="docs: torch.Tensor.backward",
        documented=True,
    ),
    FailureMode(
        title="Reading `.grad` after `zero_grad()`",
        broken=read_after_zeroing,
        fix=read_after_zeroing_fix,
        twin=read_after_zeroing_twin,
        state=State.none,
        source="pt#92731, tutorials#2219",
        documented=True,
    ),
    FailureMode(
        title="`zero_grad()` between backward and step",
        broken=zeroed_before_step,
        fix=zeroed_before_step_fix,
        twin=zeroed_before_step_twin,
        state=State.lost,
        source="docs: torch.optim.Optimizer.zero_grad",
        documented=True,
    ),
    FailureMode(
        title="A gradient kept for later, and `zero_grad(set_to_none=False)`",
        broken=kept_gradient_zeroed,
        fix=kept_gradient_zeroed_fix,
        twin=kept_gradient_zeroed_twin,
        state=State.zero,
    ),
    FailureMode(
        title="A step with a zero gradient, to leave a parameter where it is",
        broken=zero_still_moves,
        fix=zero_still_moves_fix,
        twin=zero_still_moves_twin,
        state=State.wrong,
        source="docs: torch.optim.Optimizer.zero_grad",
        documented=True,
    ),
    FailureMode(
        title="Two parameters with one `.grad` tensor",
        broken=gradient_tensor_shared,
        fix=gradient_tensor_shared_fix,
        twin=gradient_tensor_shared_twin,
        state=State.doubled,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
