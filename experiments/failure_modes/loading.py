"""Loading and copying: what a checkpoint or a copy does not hold, or puts elsewhere.

A state dict is matched by name for modules and by position for optimizers. Gradients are in
neither, and a copy of an optimizer steps copies of the parameters.
"""

import copy
import io
from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def loaded_nothing(device):
    """No name matches, and `strict=False` says so only in what it returns."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    checkpoint = {"module.weight": torch.ones(1, 2, device=device)}
    model.load_state_dict(checkpoint, strict=False)
    return {"got": model.weight, "right": torch.ones(1, 2), "lost": before}


def loaded_nothing_fix(device):
    """Take the prefix of DataParallel away, and load strictly."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    checkpoint = {"module.weight": torch.ones(1, 2, device=device)}
    nn.modules.utils.consume_prefix_in_state_dict_if_present(checkpoint, "module.")
    model.load_state_dict(checkpoint)
    return {"got": model.weight, "right": torch.ones(1, 2), "lost": before}


def loaded_nothing_twin(device):
    """Meant for what is left out on purpose, such as a new head, it loads all the rest."""
    model = nn.Linear(2, 1, device=device)
    before = model.weight.detach().clone()
    model.load_state_dict({"weight": torch.ones(1, 2, device=device)}, strict=False)
    return {"got": model.weight, "right": torch.ones(1, 2), "lost": before}


def assigned_after_optimizer(device):
    """`assign=True` puts new parameters into the module; the optimizer holds the old ones."""
    model = nn.Linear(2, 1, bias=False, device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.load_state_dict({"weight": torch.ones(1, 2, device=device)}, assign=True)
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": torch.full((1, 2), 0.9), "lost": torch.ones(1, 2)}


def assigned_after_optimizer_fix(device):
    """Build the optimizer after loading."""
    model = nn.Linear(2, 1, bias=False, device=device)
    model.load_state_dict({"weight": torch.ones(1, 2, device=device)}, assign=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": torch.full((1, 2), 0.9), "lost": torch.ones(1, 2)}


def assigned_after_optimizer_twin(device):
    """Without `assign` loading copies into the parameters, before or after."""
    model = nn.Linear(2, 1, bias=False, device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.load_state_dict({"weight": torch.ones(1, 2, device=device)})
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": torch.full((1, 2), 0.9), "lost": torch.ones(1, 2)}


def optimizer_order_changed(device):
    """An optimizer's state is matched by position: here each gets the other's momentum."""
    a = torch.zeros(1, device=device, requires_grad=True)
    b = torch.zeros(1, device=device, requires_grad=True)
    a.grad, b.grad = torch.ones_like(a), torch.zeros_like(b)
    old = torch.optim.SGD([a, b], lr=1, momentum=0.5)
    old.step()
    new = torch.optim.SGD([b, a], lr=1, momentum=0.5)
    new.load_state_dict(copy.deepcopy(old.state_dict()))
    a.grad = torch.zeros_like(a)
    new.step()
    return {"got": b, "right": torch.zeros(1)}


def optimizer_order_changed_fix(device):
    """Keep the order; `named_parameters` of the same model has it."""
    a = torch.zeros(1, device=device, requires_grad=True)
    b = torch.zeros(1, device=device, requires_grad=True)
    a.grad, b.grad = torch.ones_like(a), torch.zeros_like(b)
    old = torch.optim.SGD([a, b], lr=1, momentum=0.5)
    old.step()
    new = torch.optim.SGD([a, b], lr=1, momentum=0.5)
    new.load_state_dict(copy.deepcopy(old.state_dict()))
    a.grad = torch.zeros_like(a)
    new.step()
    return {"got": b, "right": torch.zeros(1)}


def optimizer_order_changed_twin(device):
    """A module's state is matched by name: its order does not matter."""
    model = nn.Linear(1, 1, device=device)
    state = {"bias": torch.full((1,), 3.0), "weight": torch.full((1, 1), 5.0)}
    model.load_state_dict(state)
    return {"got": model.weight, "right": torch.full((1, 1), 5.0)}


def learning_rate_loaded(device):
    """The checkpoint's options come along and replace the learning rate just chosen."""
    w = torch.ones(2, device=device, requires_grad=True)
    checkpoint = torch.optim.SGD([w], lr=0.1).state_dict()
    optimizer = torch.optim.SGD([w], lr=0.5)
    optimizer.load_state_dict(checkpoint)
    w.sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.5)}


def learning_rate_loaded_fix(device):
    """Choose it after loading, in every group."""
    w = torch.ones(2, device=device, requires_grad=True)
    checkpoint = torch.optim.SGD([w], lr=0.1).state_dict()
    optimizer = torch.optim.SGD([w], lr=0.1)
    optimizer.load_state_dict(checkpoint)
    for group in optimizer.param_groups:
        group["lr"] = 0.5
    w.sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.5)}


def learning_rate_loaded_twin(device):
    """To go on as before, loading it is what one wants."""
    w = torch.ones(2, device=device, requires_grad=True)
    checkpoint = torch.optim.SGD([w], lr=0.5).state_dict()
    optimizer = torch.optim.SGD([w])
    optimizer.load_state_dict(checkpoint)
    w.sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.5)}


def gradient_not_copied(device):
    """A copied parameter has the values and no gradient."""
    model = nn.Linear(2, 1, bias=False, device=device)
    model(torch.ones(1, 2, device=device)).sum().backward()
    return {"got": copy.deepcopy(model).weight.grad, "right": torch.ones(1, 2)}


def gradient_not_copied_fix(device):
    """Copy the gradients, too."""
    model = nn.Linear(2, 1, bias=False, device=device)
    model(torch.ones(1, 2, device=device)).sum().backward()
    twin = copy.deepcopy(model)
    for old, new in zip(model.parameters(), twin.parameters(), strict=True):
        new.grad = copy.deepcopy(old.grad)
    return {"got": twin.weight.grad, "right": torch.ones(1, 2)}


def gradient_not_copied_twin(device):
    """A tensor that is no `nn.Parameter` is copied with its gradient."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.sum().backward()
    return {"got": copy.deepcopy(w).grad, "right": torch.ones(2)}


def gradient_not_saved(device):
    """`torch.save` writes no gradients: what has accumulated when a job is cut short is gone."""
    file = io.BytesIO()
    w = torch.ones(2, device=device, requires_grad=True)
    w.sum().backward()
    torch.save(w, file)
    w = torch.load(io.BytesIO(file.getvalue()))
    return {"got": w.grad, "right": torch.ones(2)}


def gradient_not_saved_fix(device):
    """Save them as what they are, tensors."""
    file = io.BytesIO()
    w = torch.ones(2, device=device, requires_grad=True)
    w.sum().backward()
    torch.save({"w": w, "gradient": w.grad}, file)
    loaded = torch.load(io.BytesIO(file.getvalue()))
    w, w.grad = loaded["w"], loaded["gradient"]
    return {"got": w.grad, "right": torch.ones(2)}


def gradient_not_saved_twin(device):
    """Whether a gradient is wanted is saved: the loaded tensor trains on."""
    file = io.BytesIO()
    torch.save(torch.ones(2, device=device, requires_grad=True), file)
    w = torch.load(io.BytesIO(file.getvalue()))
    w.sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


MODES = (
    FailureMode(
        title="`load_state_dict(strict=False)` where no name matches",
        broken=loaded_nothing,
        fix=loaded_nothing_fix,
        twin=loaded_nothing_twin,
        state=State.lost,
        source="docs: torch.nn.Module.load_state_dict",
        documented=True,
    ),
    FailureMode(
        title="`load_state_dict(assign=True)` after the optimizer was built",
        broken=assigned_after_optimizer,
        fix=assigned_after_optimizer_fix,
        twin=assigned_after_optimizer_twin,
        state=State.lost,
        source="docs: torch.nn.Module.load_state_dict",
        documented=True,
    ),
    FailureMode(
        title="`optimizer.load_state_dict` with the parameters in another order",
        broken=optimizer_order_changed,
        fix=optimizer_order_changed_fix,
        twin=optimizer_order_changed_twin,
        state=State.wrong,
        source="docs: torch.optim.Optimizer.load_state_dict",
        documented=True,
    ),
    FailureMode(
        title="A new learning rate, and an old optimizer's state loaded after it",
        broken=learning_rate_loaded,
        fix=learning_rate_loaded_fix,
        twin=learning_rate_loaded_twin,
        state=State.wrong,
        source="docs: torch.optim.Optimizer.load_state_dict",
        documented=True,
    ),
    FailureMode(
        title="`deepcopy` of a model with gradients",
        broken=gradient_not_copied,
        fix=gradient_not_copied_fix,
        twin=gradient_not_copied_twin,
        state=State.none,
    ),
    FailureMode(
        title="`torch.save` in the middle of accumulation",
        broken=gradient_not_saved,
        fix=gradient_not_saved_fix,
        twin=gradient_not_saved_twin,
        state=State.none,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
