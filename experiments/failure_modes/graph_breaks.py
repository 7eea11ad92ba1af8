"""Graph breaks: something between the parameter and the loss is not recorded.

The gradient flows back along the recorded operations only. What leaves PyTorch, is copied into a
new tensor or has no derivative ends the way.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def loss_from_item(device):
    """The new tensor is a leaf of its own: backward reaches it, and nothing behind it."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    torch.tensor(loss.item(), requires_grad=True).backward()
    return {"got": w.grad, "right": 2 * w}


def loss_from_item_fix(device):
    """Call backward on the loss itself; `item()` is for printing."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    loss.backward()
    return {"got": w.grad, "right": 2 * w}


def loss_from_item_twin(device):
    """A number taken out of the graph is fine as a constant, such as a weight of the loss."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    (loss / loss.item()).backward()
    return {"got": w.grad, "right": w}


def tensor_of_tensors(device):
    """`torch.tensor` copies values, so that the parts' history is left behind."""
    a = torch.tensor(1.0, device=device, requires_grad=True)
    b = torch.tensor(2.0, device=device, requires_grad=True)
    both = torch.tensor([a, b], device=device, requires_grad=True)
    both.square().sum().backward()
    return {"got": a.grad, "right": 2.0}


def tensor_of_tensors_fix(device):
    """Put tensors together with `torch.stack` or `torch.cat`."""
    a = torch.tensor(1.0, device=device, requires_grad=True)
    b = torch.tensor(2.0, device=device, requires_grad=True)
    torch.stack([a, b]).square().sum().backward()
    return {"got": a.grad, "right": 2.0}


def tensor_of_tensors_twin(device):
    """`torch.as_tensor` returns a tensor as it is, history and all."""
    a = torch.tensor(1.0, device=device, requires_grad=True)
    torch.as_tensor(a * 2).square().backward()
    return {"got": a.grad, "right": 8.0}


def detached_part(device):
    """The first layer sees no gradient: `detach` ends the graph behind the hidden values."""
    first = nn.Linear(2, 2, bias=False, device=device)
    second = nn.Linear(2, 1, bias=False, device=device)
    x = torch.ones(1, 2, device=device)
    second(first(x).detach()).sum().backward()
    return {"got": first.weight.grad, "right": second.weight.T @ x}


def detached_part_fix(device):
    """Leave the detach away; to train one layer only, give the optimizer only that one."""
    first = nn.Linear(2, 2, bias=False, device=device)
    second = nn.Linear(2, 1, bias=False, device=device)
    x = torch.ones(1, 2, device=device)
    second(first(x)).sum().backward()
    return {"got": first.weight.grad, "right": second.weight.T @ x}


def detached_part_twin(device):
    """A detached copy for a metric leaves the graph of the original whole."""
    first = nn.Linear(2, 2, bias=False, device=device)
    second = nn.Linear(2, 1, bias=False, device=device)
    x = torch.ones(1, 2, device=device)
    hidden = first(x)
    hidden.detach().abs().max()
    second(hidden).sum().backward()
    return {"got": first.weight.grad, "right": second.weight.T @ x}


def hidden_gradient(device):
    """Only leaves keep a gradient; that of a result is dropped once it has been passed on."""
    w = torch.ones(2, device=device, requires_grad=True)
    hidden = 2 * w
    hidden.square().sum().backward()
    return {"got": hidden.grad, "right": 2 * hidden}


def hidden_gradient_fix(device):
    """Ask for it before backward."""
    w = torch.ones(2, device=device, requires_grad=True)
    hidden = 2 * w
    hidden.retain_grad()
    hidden.square().sum().backward()
    return {"got": hidden.grad, "right": 2 * hidden}


def hidden_gradient_twin(device):
    """`autograd.grad` returns the gradient of any tensor of the graph, leaf or not."""
    w = torch.ones(2, device=device, requires_grad=True)
    hidden = 2 * w
    (got,) = torch.autograd.grad(hidden.square().sum(), hidden)
    return {"got": got, "right": 2 * hidden}


def slice_gradient(device):
    """`w[0]` is a new tensor each time it is written, and that one is no leaf."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    return {"got": w[0].grad, "right": 2.0}


def slice_gradient_fix(device):
    """Take the gradient first, then its slice."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    return {"got": w.grad[0], "right": 2.0}


def slice_gradient_twin(device):
    """In a loss a slice is fine: the gradient arrives in the whole."""
    w = torch.ones(2, device=device, requires_grad=True)
    w[0].square().backward()
    return {"got": w.grad, "right": torch.tensor([2.0, 0.0])}


def rounded(device):
    """`round` is recorded, and its derivative is zero everywhere."""
    w = torch.tensor([0.3, 1.6], device=device, requires_grad=True)
    (3 * w.round()).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def rounded_fix(device):
    """A straight-through estimate: the value of round, the gradient of the identity."""
    w = torch.tensor([0.3, 1.6], device=device, requires_grad=True)
    straight = w + (w.round() - w).detach()
    (3 * straight).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def rounded_twin(device):
    """A remainder has steps too, but between them its derivative is one."""
    w = torch.tensor([0.3, 1.6], device=device, requires_grad=True)
    (3 * w.frac()).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


MODES = (
    FailureMode(
        title="`torch.tensor(loss.item(), requires_grad=True).backward()`",
        broken=loss_from_item,
        fix=loss_from_item_fix,
        twin=loss_from_item_twin,
        state=State.none,
    ),
    FailureMode(
        title="`torch.tensor([a, b])` of tensors that require gradients",
        broken=tensor_of_tensors,
        fix=tensor_of_tensors_fix,
        twin=tensor_of_tensors_twin,
        state=State.none,
        says="Converting a tensor with requires_grad=True to a scalar",
        source="docs: torch.tensor",
        documented=True,
    ),
    FailureMode(
        title="`detach` in the middle of the forward pass",
        broken=detached_part,
        fix=detached_part_fix,
        twin=detached_part_twin,
        state=State.none,
        source="docs: torch.Tensor.detach",
        documented=True,
    ),
    FailureMode(
        title="`.grad` of a hidden value",
        broken=hidden_gradient,
        fix=hidden_gradient_fix,
        twin=hidden_gradient_twin,
        state=State.none,
        says="not a leaf Tensor is being accessed",
        source="docs: torch.Tensor.retain_grad",
        documented=True,
    ),
    FailureMode(
        title="`w[0].grad` instead of `w.grad[0]`",
        broken=slice_gradient,
        fix=slice_gradient_fix,
        twin=slice_gradient_twin,
        state=State.none,
        says="not a leaf Tensor is being accessed",
        source="pt#30531",
    ),
    FailureMode(
        title="`round`, `floor`, `sign` in the forward pass",
        broken=rounded,
        fix=rounded_fix,
        twin=rounded_twin,
        state=State.zero,
        source="arXiv:1308.3432",
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
