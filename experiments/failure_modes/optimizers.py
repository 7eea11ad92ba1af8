"""Optimizers: options that are not read, state that outlives its purpose, and steps taken twice.

An optimizer works from its parameter groups and its state. What is set elsewhere it does not see,
and what is in its state it uses, whatever has become of the parameter since.
"""

import copy
from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def rate_set_on_optimizer(device):
    """The step reads the rate of each group; an attribute of the optimizer is read by nobody."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    optimizer.lr = 0.5
    w.sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.5)}


def rate_set_on_optimizer_fix(device):
    """Set it in the groups."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    for group in optimizer.param_groups:
        group["lr"] = 0.5
    w.sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.5)}


def rate_set_on_optimizer_twin(device):
    """`defaults` counts for groups that are added later."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1)
    optimizer.defaults["lr"] = 0.5
    optimizer.add_param_group({"params": [w]})
    w.sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.5)}


def stepped_by_two(device):
    """Each optimizer takes the whole step."""
    w = torch.zeros(2, device=device, requires_grad=True)
    first = torch.optim.SGD([w], lr=0.1)
    second = torch.optim.SGD([w], lr=0.1)
    w.sum().backward()
    first.step()
    second.step()
    return {"got": w, "right": torch.full((2,), -0.1)}


def stepped_by_two_fix(device):
    """One optimizer, with a group for what is to be treated differently."""
    w = torch.zeros(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [w], "lr": 0.1}])
    w.sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), -0.1)}


def stepped_by_two_twin(device):
    """Two optimizers for two parts of a model do not meet."""
    w = torch.zeros(2, device=device, requires_grad=True)
    v = torch.zeros(2, device=device, requires_grad=True)
    first = torch.optim.SGD([w], lr=0.1)
    second = torch.optim.SGD([v], lr=0.1)
    (w + v).sum().backward()
    first.step()
    second.step()
    return {"got": w, "right": torch.full((2,), -0.1)}


def momentum_of_old_weights(device):
    """The momentum is still that of the weights that were there before."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1, momentum=0.5)
    w.grad = torch.full((2,), 8.0, device=device)
    optimizer.step()
    torch.nn.init.zeros_(w)
    w.grad = torch.ones(2, device=device)
    optimizer.step()
    return {"got": w, "right": torch.full((2,), -1.0)}


def momentum_of_old_weights_fix(device):
    """Forget the parameter's state with its values."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1, momentum=0.5)
    w.grad = torch.full((2,), 8.0, device=device)
    optimizer.step()
    torch.nn.init.zeros_(w)
    del optimizer.state[w]
    w.grad = torch.ones(2, device=device)
    optimizer.step()
    return {"got": w, "right": torch.full((2,), -1.0)}


def momentum_of_old_weights_twin(device):
    """Plain SGD has no state to forget."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1)
    w.grad = torch.full((2,), 8.0, device=device)
    optimizer.step()
    torch.nn.init.zeros_(w)
    w.grad = torch.ones(2, device=device)
    optimizer.step()
    return {"got": w, "right": torch.full((2,), -1.0)}


def copied_alone(device):
    """The copy holds copies of the parameters and steps those."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = copy.deepcopy(torch.optim.SGD([w], lr=0.1))
    w.sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.9), "lost": torch.ones(2)}


def copied_alone_fix(device):
    """Build one of the same kind, and load a copy of the state."""
    w = torch.ones(2, device=device, requires_grad=True)
    old = torch.optim.SGD([w], lr=0.1)
    optimizer = torch.optim.SGD([w])
    optimizer.load_state_dict(copy.deepcopy(old.state_dict()))
    w.sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.9), "lost": torch.ones(2)}


def copied_alone_twin(device):
    """Copied in one call with the parameters, it steps the copies that one has."""
    w = torch.ones(2, device=device, requires_grad=True)
    w, optimizer = copy.deepcopy((w, torch.optim.SGD([w], lr=0.1)))
    w.sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.9), "lost": torch.ones(2)}


def converted_after_steps(device):
    """Parameters are converted, the moments of Adam are not, and the two do not mix."""
    model = nn.Linear(1, 1, bias=False, device=device)
    optimizer = torch.optim.Adam(model.parameters(), foreach=False)
    model(torch.ones(1, 1, device=device)).sum().backward()
    optimizer.step()
    model.to(torch.bfloat16)
    optimizer.step()


def converted_after_steps_fix(device):
    """Loading casts the state to the parameters' dtype."""
    model = nn.Linear(1, 1, bias=False, device=device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    model(torch.ones(1, 1, device=device)).sum().backward()
    optimizer.step()
    model.to(torch.bfloat16)
    optimizer.load_state_dict(optimizer.state_dict())
    before = model.weight.detach().clone()
    optimizer.step()
    return {"got": model.weight, "right": before - 0.5, "lost": before}


def converted_after_steps_twin(device):
    """Before the first step there is no state, and conversion keeps the parameters' identity."""
    model = nn.Linear(1, 1, bias=False, device=device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    model.to(torch.bfloat16)
    before = model.weight.detach().clone()
    model(torch.ones(1, 1, device=device, dtype=torch.bfloat16)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before - 0.5, "lost": before}


def ascended(device):
    """The gradient points uphill: adding it raises the loss."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with torch.no_grad():
        w += 0.1 * w.grad
    return {"got": w, "right": torch.full((2,), 0.8)}


def ascended_fix(device):
    """Subtract it."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    return {"got": w, "right": torch.full((2,), 0.8)}


def ascended_twin(device):
    """To maximise an objective one does add, or sets `maximize`."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1, maximize=True)
    (-w.square()).sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.8)}


MODES = (
    FailureMode(
        title="`optimizer.lr = …`",
        broken=rate_set_on_optimizer,
        fix=rate_set_on_optimizer_fix,
        twin=rate_set_on_optimizer_twin,
        state=State.wrong,
    ),
    FailureMode(
        title="Two optimizers with the same parameter",
        broken=stepped_by_two,
        fix=stepped_by_two_fix,
        twin=stepped_by_two_twin,
        state=State.doubled,
    ),
    FailureMode(
        title="A parameter initialised anew, and an optimizer with momentum",
        broken=momentum_of_old_weights,
        fix=momentum_of_old_weights_fix,
        twin=momentum_of_old_weights_twin,
        state=State.wrong,
    ),
    FailureMode(
        title="`deepcopy` of an optimizer alone",
        broken=copied_alone,
        fix=copied_alone_fix,
        twin=copied_alone_twin,
        state=State.lost,
    ),
    FailureMode(
        title="`model.to(dtype)` after Adam has taken a step",
        broken=converted_after_steps,
        fix=converted_after_steps_fix,
        twin=converted_after_steps_twin,
        state=State.error,
        says="dtype",
    ),
    FailureMode(
        title="`w += lr * w.grad`",
        broken=ascended,
        fix=ascended_fix,
        twin=ascended_twin,
        state=State.wrong,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
