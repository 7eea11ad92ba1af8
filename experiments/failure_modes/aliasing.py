"""Aliasing: two names for the same memory, where two values were meant.

`detach`, `state_dict`, `load_state_dict` and views copy nothing. What was put aside for later
changes with the original, which an in-place update overwrites.
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


def snapshot_detached(device):
    """`detach` leaves the graph, not the memory: the update writes into the snapshot too."""
    w = torch.ones(2, device=device, requires_grad=True)
    before = w.detach()
    with torch.no_grad():
        w -= 0.1
    return {"got": before, "right": torch.ones(2)}


def snapshot_detached_fix(device):
    """Copy."""
    w = torch.ones(2, device=device, requires_grad=True)
    before = w.detach().clone()
    with torch.no_grad():
        w -= 0.1
    return {"got": before, "right": torch.ones(2)}


def snapshot_detached_twin(device):
    """Of a result a detached tensor is a snapshot, as long as nobody writes the result."""
    w = torch.ones(2, device=device, requires_grad=True)
    before = (w * 1).detach()
    with torch.no_grad():
        w -= 0.1
    return {"got": before, "right": torch.ones(2)}


def best_state_kept(device):
    """`state_dict` holds the parameters' memory: the best weights train on."""
    model = nn.Linear(2, 1, bias=False, device=device)
    best = model.state_dict()
    right = best["weight"].clone()
    with torch.no_grad():
        model.weight += 1
    model.load_state_dict(best)
    return {"got": model.weight, "right": right}


def best_state_kept_fix(device):
    """Keep a deep copy."""
    model = nn.Linear(2, 1, bias=False, device=device)
    best = copy.deepcopy(model.state_dict())
    right = best["weight"].clone()
    with torch.no_grad():
        model.weight += 1
    model.load_state_dict(best)
    return {"got": model.weight, "right": right}


def best_state_kept_twin(device):
    """Saving copies."""
    model = nn.Linear(2, 1, bias=False, device=device)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    right = model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 1
    model.load_state_dict(torch.load(io.BytesIO(file.getvalue()), map_location=device))
    return {"got": model.weight, "right": right}


def vector_to_parameters_shares(device):
    """The parameters become views of the vector: a step from it moves where it started."""
    model = nn.Linear(2, 1, bias=False, device=device)
    start = torch.zeros(2, device=device)
    nn.utils.vector_to_parameters(start, model.parameters())
    with torch.no_grad():
        model.weight += 1
    return {"got": start, "right": torch.zeros(2)}


def vector_to_parameters_shares_fix(device):
    """Hand over a copy."""
    model = nn.Linear(2, 1, bias=False, device=device)
    start = torch.zeros(2, device=device)
    nn.utils.vector_to_parameters(start.clone(), model.parameters())
    with torch.no_grad():
        model.weight += 1
    return {"got": start, "right": torch.zeros(2)}


def vector_to_parameters_shares_twin(device):
    """The way back does copy: `parameters_to_vector` concatenates."""
    model = nn.Linear(2, 1, device=device)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    start = nn.utils.parameters_to_vector(model.parameters())
    with torch.no_grad():
        model.weight += 1
    return {"got": start, "right": torch.zeros(3)}


def optimizer_state_shared(device):
    """The loaded momentum is the other optimizer's tensor, and each step of either writes it."""
    a = torch.zeros(2, device=device, requires_grad=True)
    b = torch.zeros(2, device=device, requires_grad=True)
    of_a = torch.optim.SGD([a], lr=1, momentum=0.5)
    of_b = torch.optim.SGD([b], lr=1, momentum=0.5)
    a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
    of_a.step()
    of_b.load_state_dict(of_a.state_dict())
    of_a.step()
    of_b.step()
    return {"got": b, "right": torch.full((2,), -1.5)}


def optimizer_state_shared_fix(device):
    """Load a deep copy."""
    a = torch.zeros(2, device=device, requires_grad=True)
    b = torch.zeros(2, device=device, requires_grad=True)
    of_a = torch.optim.SGD([a], lr=1, momentum=0.5)
    of_b = torch.optim.SGD([b], lr=1, momentum=0.5)
    a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
    of_a.step()
    of_b.load_state_dict(copy.deepcopy(of_a.state_dict()))
    of_a.step()
    of_b.step()
    return {"got": b, "right": torch.full((2,), -1.5)}


def optimizer_state_shared_twin(device):
    """A module's `load_state_dict` copies into its own parameters."""
    a, b = nn.Linear(2, 1, device=device), nn.Linear(2, 1, device=device)
    b.load_state_dict(a.state_dict())
    right = b.weight.detach().clone()
    with torch.no_grad():
        a.weight += 1
    return {"got": b.weight, "right": right}


def gradients_share_memory(device):
    """A sum hands the same gradient to both its terms, and `autograd.grad` returns it twice."""
    a = torch.ones(2, device=device, requires_grad=True)
    b = torch.ones(2, device=device, requires_grad=True)
    of_a, of_b = torch.autograd.grad((a + b).square().sum(), [a, b])
    of_a.mul_(10)
    return {"got": of_b, "right": torch.full((2,), 4.0)}


def gradients_share_memory_fix(device):
    """Scale out of place."""
    a = torch.ones(2, device=device, requires_grad=True)
    b = torch.ones(2, device=device, requires_grad=True)
    of_a, of_b = torch.autograd.grad((a + b).square().sum(), [a, b])
    of_a = of_a * 10
    return {"got": of_b, "right": torch.full((2,), 4.0)}


def gradients_share_memory_twin(device):
    """`.grad` is the parameter's own: backward copies a gradient that others hold."""
    a = torch.ones(2, device=device, requires_grad=True)
    b = torch.ones(2, device=device, requires_grad=True)
    (a + b).square().sum().backward()
    a.grad.mul_(10)
    return {"got": b.grad, "right": torch.full((2,), 4.0)}


def expanded_parameter(device):
    """All elements of an expanded tensor are one number in memory, which no step can write."""
    w = nn.Parameter(torch.ones(1, device=device).expand(3))
    w.sum().backward()
    torch.optim.SGD([w], lr=0.1).step()


def expanded_parameter_fix(device):
    """Make the elements real."""
    w = nn.Parameter(torch.ones(1, device=device).expand(3).clone())
    w.sum().backward()
    torch.optim.SGD([w], lr=0.1).step()
    return {"got": w, "right": torch.full((3,), 0.9), "lost": torch.ones(3)}


def expanded_parameter_twin(device):
    """Expanding in the forward pass is fine: the gradients of all copies add up."""
    w = nn.Parameter(torch.ones(1, device=device))
    w.expand(3).sum().backward()
    torch.optim.SGD([w], lr=0.1).step()
    return {"got": w, "right": torch.full((1,), 0.7), "lost": torch.ones(1)}


MODES = (
    FailureMode(
        title="`before = w.detach()` as a snapshot",
        broken=snapshot_detached,
        fix=snapshot_detached_fix,
        twin=snapshot_detached_twin,
        state=State.wrong,
        source="docs: torch.Tensor.detach",
        documented=True,
    ),
    FailureMode(
        title="`best = model.state_dict()` kept while training goes on",
        broken=best_state_kept,
        fix=best_state_kept_fix,
        twin=best_state_kept_twin,
        state=State.wrong,
        source="docs: torch.nn.Module.state_dict",
        documented=True,
    ),
    FailureMode(
        title="`vector_to_parameters(vector, …)` and the vector used again",
        broken=vector_to_parameters_shares,
        fix=vector_to_parameters_shares_fix,
        twin=vector_to_parameters_shares_twin,
        state=State.wrong,
        source="docs: torch.nn.utils.vector_to_parameters",
        promise="Copies slices of a vector into the parameters.",
    ),
    FailureMode(
        title="`optimizer.load_state_dict(other.state_dict())`",
        broken=optimizer_state_shared,
        fix=optimizer_state_shared_fix,
        twin=optimizer_state_shared_twin,
        state=State.wrong,
        source="pt#196083, pt#106082",
    ),
    FailureMode(
        title="A gradient from `autograd.grad` changed in place",
        broken=gradients_share_memory,
        fix=gradients_share_memory_fix,
        twin=gradients_share_memory_twin,
        state=State.wrong,
    ),
    FailureMode(
        title="An expanded tensor as a parameter",
        broken=expanded_parameter,
        fix=expanded_parameter_fix,
        twin=expanded_parameter_twin,
        state=State.error,
        says="more than one element of the written-to tensor refers to a single memory location",
        source="docs: torch.Tensor.expand",
        documented=True,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
