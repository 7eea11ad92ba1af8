"""Zeros and NaNs: operations whose derivative is zero, undefined or infinite where they are used.

All is recorded and nothing is lost: the gradient is what the formula gives, and it is of no use.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def dead_relu(device):
    """Below zero a ReLU passes no gradient; if all inputs are there, the layer learns no more."""
    layer = nn.Linear(1, 1, device=device)
    nn.init.constant_(layer.bias, -10.0)
    layer(torch.ones(1, 1, device=device)).relu().sum().backward()
    return {"got": layer.bias.grad, "right": torch.ones(1)}


def dead_relu_fix(device):
    """Start where it is alive (or use an activation with two slopes)."""
    layer = nn.Linear(1, 1, device=device)
    nn.init.constant_(layer.bias, 10.0)
    layer(torch.ones(1, 1, device=device)).relu().sum().backward()
    return {"got": layer.bias.grad, "right": torch.ones(1)}


def dead_relu_twin(device):
    """With one input above zero among the batch the layer learns."""
    layer = nn.Linear(1, 1, device=device)
    nn.init.constant_(layer.bias, -10.0)
    nn.init.ones_(layer.weight)
    layer(torch.tensor([[1.0], [20.0]], device=device)).relu().sum().backward()
    return {"got": layer.bias.grad, "right": torch.ones(1)}


def both_factors_zero(device):
    """The gradient of each factor is the other one: zero for both, for ever."""
    down = torch.zeros(2, device=device, requires_grad=True)
    up = torch.zeros(2, device=device, requires_grad=True)
    (down * up).sum().backward()
    return {"got": up.grad, "right": torch.ones(2)}


def both_factors_zero_fix(device):
    """Start one of the two elsewhere."""
    down = torch.ones(2, device=device, requires_grad=True)
    up = torch.zeros(2, device=device, requires_grad=True)
    (down * up).sum().backward()
    return {"got": up.grad, "right": torch.ones(2)}


def both_factors_zero_twin(device):
    """A single layer may start at zero: its gradient is the input."""
    layer = nn.Linear(2, 1, bias=False, device=device)
    nn.init.zeros_(layer.weight)
    layer(torch.ones(1, 2, device=device)).sum().backward()
    return {"got": layer.weight.grad, "right": torch.ones(1, 2)}


def clamped(device):
    """Outside its range clamp is constant."""
    w = torch.full((2,), 3.0, device=device, requires_grad=True)
    w.clamp(0, 1).sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


def clamped_fix(device):
    """Clamp the parameter after the update instead of in the forward pass."""
    w = torch.full((2,), 3.0, device=device, requires_grad=True)
    with torch.no_grad():
        w.clamp_(0, 1)
    w.sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


def clamped_twin(device):
    """On the edge of the range the gradient still passes."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.clamp(0, 1).sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


def root_of_zero(device):
    """The derivative of the root at zero is infinite, and infinity times zero is NaN."""
    w = torch.zeros(2, device=device, requires_grad=True)
    w.square().sum().sqrt().backward()
    return {"got": w.grad, "right": torch.zeros(2)}


def root_of_zero_fix(device):
    """`norm` takes zero for its gradient there."""
    w = torch.zeros(2, device=device, requires_grad=True)
    w.norm().backward()
    return {"got": w.grad, "right": torch.zeros(2)}


def root_of_zero_twin(device):
    """A single zero in a vector is harmless: only the sum must not be zero."""
    w = torch.tensor([0.0, 2.0], device=device, requires_grad=True)
    w.square().sum().sqrt().backward()
    return {"got": w.grad, "right": torch.tensor([0.0, 1.0])}


def where_over_nan(device):
    """Backward goes through both branches; the one not taken gets zero, times infinity."""
    w = torch.zeros(2, device=device, requires_grad=True)
    torch.where(w > 0, w.log(), w).sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


def where_over_nan_fix(device):
    """Make the input of the branch safe, too."""
    w = torch.zeros(2, device=device, requires_grad=True)
    safe = torch.where(w > 0, w, 1.0)
    torch.where(w > 0, safe.log(), w).sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


def where_over_nan_twin(device):
    """Branches with finite derivatives may be chosen from freely."""
    w = torch.zeros(2, device=device, requires_grad=True)
    torch.where(w > 0, w.square(), w).sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


def log_of_softmax(device):
    """Softmax underflows to zero, and the derivative of the logarithm there is infinite."""
    w = torch.tensor([0.0, 200.0], device=device, requires_grad=True)
    w.softmax(0).log()[0].backward()
    return {"got": w.grad, "right": torch.tensor([1.0, -1.0])}


def log_of_softmax_fix(device):
    """`log_softmax` computes both at once."""
    w = torch.tensor([0.0, 200.0], device=device, requires_grad=True)
    w.log_softmax(0)[0].backward()
    return {"got": w.grad, "right": torch.tensor([1.0, -1.0])}


def log_of_softmax_twin(device):
    """Between moderate logits the two agree."""
    w = torch.tensor([0.0, 2.0], device=device, requires_grad=True)
    w.softmax(0).log()[0].backward()
    p = w.softmax(0)[1]
    return {"got": w.grad, "right": torch.stack([p, -p])}


def clipped_to_zero(device):
    """One infinite gradient makes the norm infinite, and every other gradient zero."""
    a = torch.ones(1, device=device, requires_grad=True)
    b = torch.ones(1, device=device, requires_grad=True)
    a.grad, b.grad = torch.full_like(a, torch.inf), torch.ones_like(b)
    nn.utils.clip_grad_norm_([a, b], 1.0)
    return {"got": b.grad, "right": torch.ones(1)}


def clipped_to_zero_fix(device):
    """Look at the norm first, and skip the step if it is not finite."""
    a = torch.ones(1, device=device, requires_grad=True)
    b = torch.ones(1, device=device, requires_grad=True)
    a.grad, b.grad = torch.full_like(a, torch.inf), torch.ones_like(b)
    if torch.stack([a.grad.norm(), b.grad.norm()]).norm().isfinite():
        nn.utils.clip_grad_norm_([a, b], 1.0)
    return {"got": b.grad, "right": torch.ones(1)}


def clipped_to_zero_twin(device):
    """Clipped by value, an infinite gradient leaves the others alone."""
    a = torch.ones(1, device=device, requires_grad=True)
    b = torch.ones(1, device=device, requires_grad=True)
    a.grad, b.grad = torch.full_like(a, torch.inf), torch.ones_like(b)
    nn.utils.clip_grad_value_([a, b], 1.0)
    return {"got": b.grad, "right": torch.ones(1)}


MODES = (
    FailureMode(
        title="A dead ReLU",
        broken=dead_relu,
        fix=dead_relu_fix,
        twin=dead_relu_twin,
        state=State.zero,
    ),
    FailureMode(
        title="Two factors that both start at zero",
        broken=both_factors_zero,
        fix=both_factors_zero_fix,
        twin=both_factors_zero_twin,
        state=State.zero,
    ),
    FailureMode(
        title="`clamp` in the forward pass",
        broken=clamped,
        fix=clamped_fix,
        twin=clamped_twin,
        state=State.zero,
    ),
    FailureMode(
        title="`sqrt` at zero",
        broken=root_of_zero,
        fix=root_of_zero_fix,
        twin=root_of_zero_twin,
        state=State.nan,
    ),
    FailureMode(
        title="`torch.where` over a branch with an infinite derivative",
        broken=where_over_nan,
        fix=where_over_nan_fix,
        twin=where_over_nan_twin,
        state=State.nan,
        source="pt#23395, pt#156212",
    ),
    FailureMode(
        title="`softmax(…).log()`",
        broken=log_of_softmax,
        fix=log_of_softmax_fix,
        twin=log_of_softmax_twin,
        state=State.nan,
        source="docs: torch.nn.functional.log_softmax",
        documented=True,
    ),
    FailureMode(
        title="`clip_grad_norm_` with one infinite gradient",
        broken=clipped_to_zero,
        fix=clipped_to_zero_fix,
        twin=clipped_to_zero_twin,
        state=State.zero,
        source="docs: torch.nn.utils.clip_grad_norm_, error_if_nonfinite",
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
