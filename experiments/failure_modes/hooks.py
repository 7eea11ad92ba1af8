"""Hooks: code that runs in the middle of backward, and sees or changes other than it thinks.

A tensor hook gets one gradient on its way and may return another. It runs before `.grad` is
written, once per backward, and the tensor it gets may belong to others.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def hook_writes_in_place(device):
    """The tensor a hook gets may be the gradient of another tensor too."""
    a = torch.ones(2, device=device, requires_grad=True)
    b = torch.ones(2, device=device, requires_grad=True)
    a.register_hook(lambda gradient: gradient.mul_(10))
    (a + b).square().sum().backward()
    return {"got": b.grad, "right": torch.full((2,), 4.0)}


def hook_writes_in_place_fix(device):
    """Return a new tensor."""
    a = torch.ones(2, device=device, requires_grad=True)
    b = torch.ones(2, device=device, requires_grad=True)
    a.register_hook(lambda gradient: gradient * 10)
    (a + b).square().sum().backward()
    return {"got": b.grad, "right": torch.full((2,), 4.0)}


def hook_writes_in_place_twin(device):
    """After accumulation `.grad` is the parameter's own and may be written."""

    def scale(p):
        p.grad.mul_(10)

    a = torch.ones(2, device=device, requires_grad=True)
    b = torch.ones(2, device=device, requires_grad=True)
    a.register_post_accumulate_grad_hook(scale)
    (a + b).square().sum().backward()
    return {"got": b.grad, "right": torch.full((2,), 4.0)}


def hook_returns_nothing(device):
    """`gradient = …` binds a name of the hook's; what is not returned is not used."""

    def mask(gradient):
        gradient = gradient * torch.tensor([0.0, 1.0], device=device)

    w = torch.ones(2, device=device, requires_grad=True)
    w.register_hook(mask)
    (3 * w).sum().backward()
    return {"got": w.grad, "right": torch.tensor([0.0, 3.0]), "lost": torch.full((2,), 3.0)}


def hook_returns_nothing_fix(device):
    """Return it."""

    def mask(gradient):
        return gradient * torch.tensor([0.0, 1.0], device=device)

    w = torch.ones(2, device=device, requires_grad=True)
    w.register_hook(mask)
    (3 * w).sum().backward()
    return {"got": w.grad, "right": torch.tensor([0.0, 3.0]), "lost": torch.full((2,), 3.0)}


def hook_returns_nothing_twin(device):
    """A hook that only looks returns None, and the gradient passes unchanged."""
    norms = []
    w = torch.ones(2, device=device, requires_grad=True)
    w.register_hook(lambda gradient: norms.append(gradient.norm()))
    (3 * w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def grad_read_in_hook(device):
    """A tensor hook runs before accumulation: `.grad` is that of the backward before."""
    seen = []
    w = torch.ones(2, device=device, requires_grad=True)
    w.grad = torch.full((2,), 7.0, device=device)
    w.register_hook(lambda gradient: seen.append(w.grad.clone()))
    (3 * w).sum().backward()
    return {"got": seen[0], "right": torch.full((2,), 10.0), "stale": torch.full((2,), 7.0)}


def grad_read_in_hook_fix(device):
    """Use the hook that runs after accumulation."""
    seen = []
    w = torch.ones(2, device=device, requires_grad=True)
    w.grad = torch.full((2,), 7.0, device=device)
    w.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
    (3 * w).sum().backward()
    return {"got": seen[0], "right": torch.full((2,), 10.0), "stale": torch.full((2,), 7.0)}


def grad_read_in_hook_twin(device):
    """What the hook is given is new."""
    seen = []
    w = torch.ones(2, device=device, requires_grad=True)
    w.grad = torch.full((2,), 7.0, device=device)
    w.register_hook(lambda gradient: seen.append(gradient + w.grad))
    (3 * w).sum().backward()
    return {"got": seen[0], "right": torch.full((2,), 10.0), "stale": torch.full((2,), 7.0)}


def hook_added_each_step(device):
    """A hook stays until it is removed; registered in the loop it runs once more each step."""
    w = torch.ones(2, device=device, requires_grad=True)
    for _ in range(2):
        w.grad = None
        w.register_hook(lambda gradient: 2 * gradient)
        (3 * w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 6.0)}


def hook_added_each_step_fix(device):
    """Register once, before the loop."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.register_hook(lambda gradient: 2 * gradient)
    for _ in range(2):
        w.grad = None
        (3 * w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 6.0)}


def hook_added_each_step_twin(device):
    """On a result a hook goes with the graph: there it does belong into the loop."""
    w = torch.ones(2, device=device, requires_grad=True)
    for _ in range(2):
        w.grad = None
        h = 3 * w
        h.register_hook(lambda gradient: 2 * gradient)
        h.sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 6.0)}


def clipped_per_backward(device):
    """The hook sees the gradient of each micro-batch, and never the sum."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.register_hook(lambda gradient: gradient.clamp(max=1))
    for _ in range(2):
        (3 * w).sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


def clipped_per_backward_fix(device):
    """Clip what has accumulated, before the step."""
    w = torch.ones(2, device=device, requires_grad=True)
    for _ in range(2):
        (3 * w).sum().backward()
    nn.utils.clip_grad_value_([w], 1)
    return {"got": w.grad, "right": torch.ones(2)}


def clipped_per_backward_twin(device):
    """Within one backward a leaf's hook sees the sum over all its uses."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.register_hook(lambda gradient: gradient.clamp(max=1))
    ((3 * w).sum() + (3 * w).sum()).backward()
    return {"got": w.grad, "right": torch.ones(2)}


def hooked_module_written(device):
    """A full backward hook makes the module's output a view, which may not be written in place."""
    model = nn.Sequential(nn.Linear(2, 2, device=device), nn.ReLU(inplace=True))
    model[0].register_full_backward_hook(lambda module, grad_input, grad_output: None)
    model(torch.ones(1, 2, device=device, requires_grad=True)).sum().backward()


def hooked_module_written_fix(device):
    """Out of place after a hooked module."""
    model = nn.Sequential(nn.Linear(2, 2, device=device), nn.ReLU())
    nn.init.eye_(model[0].weight)
    nn.init.ones_(model[0].bias)
    model[0].register_full_backward_hook(lambda module, grad_input, grad_output: None)
    model(torch.ones(1, 2, device=device, requires_grad=True)).sum().backward()
    return {"got": model[0].weight.grad, "right": torch.ones(2, 2)}


def hooked_module_written_twin(device):
    """A forward hook leaves the output as it is."""
    model = nn.Sequential(nn.Linear(2, 2, device=device), nn.ReLU(inplace=True))
    nn.init.eye_(model[0].weight)
    nn.init.ones_(model[0].bias)
    model[0].register_forward_hook(lambda module, inputs, output: None)
    model(torch.ones(1, 2, device=device, requires_grad=True)).sum().backward()
    return {"got": model[0].weight.grad, "right": torch.ones(2, 2)}


MODES = (
    FailureMode(
        title="A tensor hook that changes the gradient in place",
        broken=hook_writes_in_place,
        fix=hook_writes_in_place_fix,
        twin=hook_writes_in_place_twin,
        state=State.wrong,
        source="docs: torch.Tensor.register_hook",
        documented=True,
    ),
    FailureMode(
        title="A hook that does not return the new gradient",
        broken=hook_returns_nothing,
        fix=hook_returns_nothing_fix,
        twin=hook_returns_nothing_twin,
        state=State.lost,
        source="docs: torch.Tensor.register_hook",
        documented=True,
    ),
    FailureMode(
        title="Reading `.grad` in a tensor hook",
        broken=grad_read_in_hook,
        fix=grad_read_in_hook_fix,
        twin=grad_read_in_hook_twin,
        state=State.stale,
        source="docs: torch.Tensor.register_post_accumulate_grad_hook",
        documented=True,
    ),
    FailureMode(
        title="A hook registered in every step",
        broken=hook_added_each_step,
        fix=hook_added_each_step_fix,
        twin=hook_added_each_step_twin,
        state=State.doubled,
    ),
    FailureMode(
        title="Clipping in a hook, with accumulation over micro-batches",
        broken=clipped_per_backward,
        fix=clipped_per_backward_fix,
        twin=clipped_per_backward_twin,
        state=State.doubled,
    ),
    FailureMode(
        title="An in-place ReLU after a module with a full backward hook",
        broken=hooked_module_written,
        fix=hooked_module_written_fix,
        twin=hooked_module_written_twin,
        state=State.error,
        says="is a view and is being modified inplace",
        source="docs: torch.nn.Module.register_full_backward_hook",
        documented=True,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
