"""Freezing: parameters that move although they should not, or stay although they should not.

`requires_grad` decides whether backward fills `.grad`. The optimizer asks only whether there is a
gradient, and buffers ask for neither.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def frozen_by_attribute(device):
    """A module has no such flag: the assignment makes a Python attribute that nobody reads."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    model.requires_grad = False
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2, device=device, requires_grad=True)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before}


def frozen_by_attribute_fix(device):
    """Call `requires_grad_(False)`, which sets it on every parameter."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    model.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2, device=device, requires_grad=True)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before}


def frozen_by_attribute_twin(device):
    """A tensor does have the flag."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    model.weight.requires_grad = False
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2, device=device, requires_grad=True)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before}


def frozen_with_gradient(device):
    """The old gradient is still there, and the optimizer goes on applying it."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    w.sum().backward()
    w.requires_grad_(False)
    optimizer.step()
    return {"got": w, "right": torch.ones(2)}


def frozen_with_gradient_fix(device):
    """Take the gradient away as well."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    w.sum().backward()
    w.requires_grad_(False)
    w.grad = None
    optimizer.step()
    return {"got": w, "right": torch.ones(2)}


def frozen_with_gradient_twin(device):
    """Frozen between forward and backward it gets no gradient: the graph passes it by."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    loss = w.sum()
    w.requires_grad_(False)
    loss.backward()
    optimizer.step()
    return {"got": w, "right": torch.ones(2)}


def unfrozen_after_forward(device):
    """The operation was not recorded for w when it ran."""
    w = torch.ones(2, device=device)
    bias = torch.zeros(1, device=device, requires_grad=True)
    loss = (3 * w + bias).sum()
    w.requires_grad_()
    loss.backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def unfrozen_after_forward_fix(device):
    """Unfreeze before the forward pass."""
    w = torch.ones(2, device=device)
    bias = torch.zeros(1, device=device, requires_grad=True)
    w.requires_grad_()
    loss = (3 * w + bias).sum()
    loss.backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def unfrozen_after_forward_twin(device):
    """The optimizer may be built over frozen parameters: it looks at `.grad` at each step."""
    w = torch.ones(2, device=device)
    optimizer = torch.optim.SGD([w], lr=0.1)
    w.requires_grad_()
    (3 * w).sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.7), "lost": torch.ones(2)}


def filtered_then_unfrozen(device):
    """The optimizer was given only what was not frozen then."""
    model = nn.Linear(2, 1, device=device)
    model.weight.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model.weight.requires_grad_()
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def filtered_then_unfrozen_fix(device):
    """Add it when it is unfrozen."""
    model = nn.Linear(2, 1, device=device)
    model.weight.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model.weight.requires_grad_()
    optimizer.add_param_group({"params": [model.weight]})
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def filtered_then_unfrozen_twin(device):
    """Given everything, the optimizer skips what has no gradient and takes it up later."""
    model = nn.Linear(2, 1, device=device)
    model.weight.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.weight.requires_grad_()
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def masked_but_decayed(device):
    """Weight decay is added inside the step, where the mask on the gradient does not reach."""
    mask = torch.tensor([0.0, 1.0], device=device)
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1, weight_decay=1)
    w.sum().backward()
    w.grad *= mask
    optimizer.step()
    return {"got": w[0], "right": 1.0}


def masked_but_decayed_fix(device):
    """Put the masked elements back after the step."""
    mask = torch.tensor([0.0, 1.0], device=device)
    w = torch.ones(2, device=device, requires_grad=True)
    kept = w.detach().clone()
    optimizer = torch.optim.SGD([w], lr=0.1, weight_decay=1)
    w.sum().backward()
    optimizer.step()
    with torch.no_grad():
        w.copy_(torch.where(mask.bool(), w, kept))
    return {"got": w[0], "right": 1.0}


def masked_but_decayed_twin(device):
    """Without weight decay and momentum a masked gradient is enough."""
    mask = torch.tensor([0.0, 1.0], device=device)
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    w.sum().backward()
    w.grad *= mask
    optimizer.step()
    return {"got": w[0], "right": 1.0}


def statistics_not_frozen(device):
    """Running statistics are buffers: in training mode they follow the data, frozen or not."""
    norm = nn.BatchNorm1d(1, device=device).requires_grad_(False)
    norm(torch.tensor([[4.0], [6.0]], device=device))
    return {"got": norm.running_mean, "right": torch.zeros(1)}


def statistics_not_frozen_fix(device):
    """Put the frozen module into evaluation mode, after each `model.train()`."""
    norm = nn.BatchNorm1d(1, device=device).requires_grad_(False).eval()
    norm(torch.tensor([[4.0], [6.0]], device=device))
    return {"got": norm.running_mean, "right": torch.zeros(1)}


def statistics_not_frozen_twin(device):
    """Without running statistics there is nothing to follow, in either mode."""
    norm = nn.LayerNorm(2, device=device).requires_grad_(False)
    norm(torch.tensor([[4.0, 6.0]], device=device))
    return {"got": norm.bias, "right": torch.zeros(2)}


MODES = (
    FailureMode(
        title="`module.requires_grad = False`",
        broken=frozen_by_attribute,
        fix=frozen_by_attribute_fix,
        twin=frozen_by_attribute_twin,
        state=State.wrong,
        source="docs: torch.nn.Module.requires_grad_",
    ),
    FailureMode(
        title="`requires_grad_(False)` after backward",
        broken=frozen_with_gradient,
        fix=frozen_with_gradient_fix,
        twin=frozen_with_gradient_twin,
        state=State.wrong,
    ),
    FailureMode(
        title="`requires_grad_()` between forward and backward",
        broken=unfrozen_after_forward,
        fix=unfrozen_after_forward_fix,
        twin=unfrozen_after_forward_twin,
        state=State.none,
        source="docs: notes/autograd, Setting requires_grad",
        documented=True,
    ),
    FailureMode(
        title="An optimizer of `filter(requires_grad)`, and a parameter unfrozen later",
        broken=filtered_then_unfrozen,
        fix=filtered_then_unfrozen_fix,
        twin=filtered_then_unfrozen_twin,
        state=State.lost,
    ),
    FailureMode(
        title="A masked gradient, and weight decay",
        broken=masked_but_decayed,
        fix=masked_but_decayed_fix,
        twin=masked_but_decayed_twin,
        state=State.wrong,
    ),
    FailureMode(
        title="A frozen `BatchNorm` in training mode",
        broken=statistics_not_frozen,
        fix=statistics_not_frozen_fix,
        twin=statistics_not_frozen_twin,
        state=State.wrong,
        source="docs: notes/autograd, Evaluation Mode",
        documented=True,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
