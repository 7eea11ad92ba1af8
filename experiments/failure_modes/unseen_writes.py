"""Writes that autograd does not see: between forward and backward they make gradients wrong.

Backward uses the saved tensors as they are by then. A write that does not bump the version counter
of the tensor is not noticed, and backward mixes old and new values without a word.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State

CHECKED = "docs: notes/autograd, In-place correctness checks"
NO_ERROR_NO_DOUBT = "In-place functions and no error seen: the computed gradients are correct."


def written_through_data(device):
    """`.data` is a tensor of its own, with the same memory and another version counter."""
    w = torch.ones(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    loss = (w * x).sum()
    w.data.add_(2)
    loss.backward()
    return {"got": x.grad, "right": torch.ones(2)}


def written_through_data_fix(device):
    """Update after backward, under no_grad: a write at the wrong time is then an error."""
    w = torch.ones(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    (w * x).sum().backward()
    with torch.no_grad():
        w.add_(2)
    return {"got": x.grad, "right": torch.ones(2)}


def written_through_data_twin(device):
    """Where the operation has not saved the weight, as a sum has not, the gradient is right."""
    w = torch.ones(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    loss = (w + x).square().sum()
    w.data.add_(2)
    loss.backward()
    return {"got": x.grad, "right": torch.full((2,), 4.0)}


def data_replaced(device):
    """The saved tensor is the parameter itself, which now has other memory."""
    w = torch.ones(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    loss = (w * x).sum()
    w.data = w.data + 2
    loss.backward()
    return {"got": x.grad, "right": torch.ones(2)}


def data_replaced_fix(device):
    """Replace it after backward."""
    w = torch.ones(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    (w * x).sum().backward()
    w.data = w.data + 2
    return {"got": x.grad, "right": torch.ones(2)}


def data_replaced_twin(device):
    """`linear` saves a transposed view, which keeps the old memory: right, at the old weight."""
    w = torch.ones(1, 2, device=device, requires_grad=True)
    x = torch.ones(1, 2, device=device, requires_grad=True)
    loss = nn.functional.linear(x, w).sum()
    w.data = w.data + 2
    loss.backward()
    return {"got": x.grad, "right": torch.ones(1, 2)}


def input_buffer_refilled(device):
    """NumPy writes into memory that PyTorch shares, and tells nobody."""
    w = torch.ones(2, device=device, requires_grad=True)
    buffer = np.ones(2, dtype=np.float32)
    loss = (w * torch.from_numpy(buffer)).sum()
    buffer[:] = 5
    loss.backward()
    return {"got": w.grad, "right": torch.ones(2)}


def input_buffer_refilled_fix(device):
    """Give PyTorch a copy."""
    w = torch.ones(2, device=device, requires_grad=True)
    buffer = np.ones(2, dtype=np.float32)
    loss = (w * torch.tensor(buffer)).sum()
    buffer[:] = 5
    loss.backward()
    return {"got": w.grad, "right": torch.ones(2)}


def input_buffer_refilled_twin(device):
    """After backward the buffer may be filled again."""
    w = torch.ones(2, device=device, requires_grad=True)
    buffer = np.ones(2, dtype=np.float32)
    (w * torch.from_numpy(buffer)).sum().backward()
    buffer[:] = 5
    return {"got": w.grad, "right": torch.ones(2)}


def fused_step_between(device):
    """The fused optimizers write the parameters and do not bump their versions."""
    w = torch.ones(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    w.grad = torch.ones(2, device=device)
    optimizer = torch.optim.SGD([w], lr=0.5, fused=True)
    loss = (w * x).sum()
    optimizer.step()
    loss.backward()
    return {"got": x.grad, "right": torch.ones(2)}


def fused_step_between_fix(device):
    """Step after backward."""
    w = torch.ones(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.5, fused=True)
    (w * x).sum().backward()
    optimizer.step()
    return {"got": x.grad, "right": torch.ones(2)}


def fused_step_between_twin(device):
    """The other implementations bump the version: with them the same order is refused."""
    w = torch.ones(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    w.grad = torch.ones(2, device=device)
    optimizer = torch.optim.SGD([w], lr=0.5, foreach=True)
    loss = (w * x).sum()
    optimizer.step()
    refused = False
    try:
        loss.backward()
    except RuntimeError:
        refused = True
    return {"got": refused, "right": True}


def saved_through_hooks(device):
    """What a pack hook returns is kept as it is, without the version that would be checked."""
    w = torch.ones(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda saved: saved, lambda saved: saved):
        loss = (w * x).sum()
    with torch.no_grad():
        w.add_(2)
    loss.backward()
    return {"got": x.grad, "right": torch.ones(2)}


def saved_through_hooks_fix(device):
    """Have the hook return a copy."""
    w = torch.ones(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(torch.clone, lambda saved: saved):
        loss = (w * x).sum()
    with torch.no_grad():
        w.add_(2)
    loss.backward()
    return {"got": x.grad, "right": torch.ones(2)}


def saved_through_hooks_twin(device):
    """`allow_mutation_on_saved_tensors` uses hooks too, and copies what is about to be written."""
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        w = torch.ones(2, device=device, requires_grad=True)
        x = torch.ones(2, device=device, requires_grad=True)
        loss = (w * x).sum()
        with torch.no_grad():
            w.add_(2)
        loss.backward()
    return {"got": x.grad, "right": torch.ones(2)}


def running_statistics_updated(device):
    """In evaluation mode the statistics are saved; a forward in training mode overwrites them."""
    norm = nn.BatchNorm1d(1, momentum=1.0, device=device).eval()
    x = torch.ones(2, 1, device=device, requires_grad=True)
    loss = norm(x).sum()
    norm.train()(torch.tensor([[0.0], [8.0]], device=device))
    loss.backward()
    return {"got": x.grad, "right": torch.ones(2, 1)}


def running_statistics_updated_fix(device):
    """Backward first."""
    norm = nn.BatchNorm1d(1, momentum=1.0, device=device).eval()
    x = torch.ones(2, 1, device=device, requires_grad=True)
    norm(x).sum().backward()
    norm.train()(torch.tensor([[0.0], [8.0]], device=device))
    return {"got": x.grad, "right": torch.ones(2, 1)}


def running_statistics_updated_twin(device):
    """Two forwards in training mode do not disturb each other: they save the batch's statistics."""
    norm = nn.BatchNorm1d(1, momentum=1.0, device=device)
    x = torch.tensor([[0.0], [1.0], [5.0]], device=device, requires_grad=True)
    (right,) = torch.autograd.grad(norm(x)[0].sum(), x)
    loss = norm(x)[0].sum()
    norm(torch.tensor([[0.0], [8.0]], device=device))
    loss.backward()
    return {"got": x.grad, "right": right}


def missing_host_memory(device):
    """Say that NumPy shares memory with tensors of the CPU only."""
    return None if device.type == "cpu" else f"NumPy cannot write the memory of {device.type}"


MODES = (
    FailureMode(
        title="`w.data.add_(…)` between forward and backward",
        broken=written_through_data,
        fix=written_through_data_fix,
        twin=written_through_data_twin,
        state=State.wrong,
        source="PyTorch 0.4.0 migration guide, pt#6990",
        documented=True,
    ),
    FailureMode(
        title="`w.data = …` between forward and backward",
        broken=data_replaced,
        fix=data_replaced_fix,
        twin=data_replaced_twin,
        state=State.wrong,
        source="pt#6990",
    ),
    FailureMode(
        title="A NumPy buffer filled again between forward and backward",
        broken=input_buffer_refilled,
        fix=input_buffer_refilled_fix,
        twin=input_buffer_refilled_twin,
        state=State.wrong,
        source="docs: torch.from_numpy",
        documented=True,
        missing=missing_host_memory,
    ),
    FailureMode(
        title="`optimizer.step()` with `fused=True` between forward and backward",
        broken=fused_step_between,
        fix=fused_step_between_fix,
        twin=fused_step_between_twin,
        state=State.wrong,
        source=CHECKED,
        promise=NO_ERROR_NO_DOUBT,
    ),
    FailureMode(
        title="An in-place write, with `saved_tensors_hooks` in force",
        broken=saved_through_hooks,
        fix=saved_through_hooks_fix,
        twin=saved_through_hooks_twin,
        state=State.wrong,
        source="docs: torch.autograd.graph.saved_tensors_hooks",
        documented=True,
    ),
    FailureMode(
        title="`BatchNorm` run in evaluation, then in training mode, then backward",
        broken=running_statistics_updated,
        fix=running_statistics_updated_fix,
        twin=running_statistics_updated_twin,
        state=State.wrong,
        source="pt#13402, pt#120622",
        promise=NO_ERROR_NO_DOUBT,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
