"""Tying: one weight used in two places, and the ways in which it stops being one, or counts twice.

A tied weight is one parameter object with two names. Its gradient is the sum over both uses, and it
takes one step. Copies of the object, and loops over names, undo one or the other.
"""

import copy
from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def tied_by_data(device):
    """Two parameters with the same memory: each gets its part of the gradient, not the sum."""
    a, b = nn.Linear(1, 1, bias=False, device=device), nn.Linear(1, 1, bias=False, device=device)
    nn.init.constant_(a.weight, 2.0)
    b.weight.data = a.weight.data
    (a(torch.ones(1, 1, device=device)) + b(torch.ones(1, 1, device=device))).backward()
    return {"got": a.weight.grad, "right": torch.full((1, 1), 2.0)}


def tied_by_data_fix(device):
    """Share the parameter object."""
    a, b = nn.Linear(1, 1, bias=False, device=device), nn.Linear(1, 1, bias=False, device=device)
    nn.init.constant_(a.weight, 2.0)
    b.weight = a.weight
    (a(torch.ones(1, 1, device=device)) + b(torch.ones(1, 1, device=device))).backward()
    return {"got": a.weight.grad, "right": torch.full((1, 1), 2.0)}


def tied_by_data_twin(device):
    """Copying `.data` ties nothing; it is a way to start from the same values."""
    a, b = nn.Linear(1, 1, bias=False, device=device), nn.Linear(1, 1, bias=False, device=device)
    nn.init.constant_(a.weight, 2.0)
    b.weight.data.copy_(a.weight.data)
    with torch.no_grad():
        a.weight += 1
    return {"got": b.weight, "right": torch.full((1, 1), 2.0)}


def tied_stepped_by_module(device):
    """A loop over modules meets the tied weight in both and steps it twice."""
    a, b = nn.Linear(1, 1, bias=False, device=device), nn.Linear(1, 1, bias=False, device=device)
    nn.init.zeros_(a.weight)
    b.weight = a.weight
    (a(torch.ones(1, 1, device=device)) + b(torch.ones(1, 1, device=device))).backward()
    with torch.no_grad():
        for module in (a, b):
            module.weight -= 0.1 * module.weight.grad
    return {"got": a.weight, "right": torch.full((1, 1), -0.2)}


def tied_stepped_by_module_fix(device):
    """`parameters()` of the whole yields each parameter once."""
    a, b = nn.Linear(1, 1, bias=False, device=device), nn.Linear(1, 1, bias=False, device=device)
    nn.init.zeros_(a.weight)
    b.weight = a.weight
    (a(torch.ones(1, 1, device=device)) + b(torch.ones(1, 1, device=device))).backward()
    with torch.no_grad():
        for parameter in nn.ModuleList([a, b]).parameters():
            parameter -= 0.1 * parameter.grad
    return {"got": a.weight, "right": torch.full((1, 1), -0.2)}


def tied_stepped_by_module_twin(device):
    """A post-accumulate hook runs once per backward, however often the weight was used."""
    a, b = nn.Linear(1, 1, bias=False, device=device), nn.Linear(1, 1, bias=False, device=device)
    nn.init.zeros_(a.weight)
    b.weight = a.weight
    a.weight.register_post_accumulate_grad_hook(lambda p: p.sub_(p.grad, alpha=0.1))
    (a(torch.ones(1, 1, device=device)) + b(torch.ones(1, 1, device=device))).backward()
    return {"got": a.weight, "right": torch.full((1, 1), -0.2)}


def tie_lost_in_assign(device):
    """`assign=True` makes a parameter of each entry, so that one tied weight becomes two."""
    tied = nn.ModuleList([nn.Linear(1, 1, bias=False, device=device) for _ in range(2)])
    tied[1].weight = tied[0].weight
    tied.load_state_dict(tied.state_dict(), assign=True)
    sum(layer(torch.ones(1, 1, device=device)) for layer in tied).backward()
    return {"got": tied[0].weight.grad, "right": torch.full((1, 1), 2.0)}


def tie_lost_in_assign_fix(device):
    """Tie again after loading."""
    tied = nn.ModuleList([nn.Linear(1, 1, bias=False, device=device) for _ in range(2)])
    tied[1].weight = tied[0].weight
    tied.load_state_dict(tied.state_dict(), assign=True)
    tied[1].weight = tied[0].weight
    sum(layer(torch.ones(1, 1, device=device)) for layer in tied).backward()
    return {"got": tied[0].weight.grad, "right": torch.full((1, 1), 2.0)}


def tie_lost_in_assign_twin(device):
    """Without `assign` the values are copied into the one parameter there is."""
    tied = nn.ModuleList([nn.Linear(1, 1, bias=False, device=device) for _ in range(2)])
    tied[1].weight = tied[0].weight
    tied.load_state_dict(tied.state_dict())
    sum(layer(torch.ones(1, 1, device=device)) for layer in tied).backward()
    return {"got": tied[0].weight.grad, "right": torch.full((1, 1), 2.0)}


def tie_lost_in_copies(device):
    """Copied one by one, each part takes a weight of its own along."""
    a, b = nn.Linear(1, 1, bias=False, device=device), nn.Linear(1, 1, bias=False, device=device)
    b.weight = a.weight
    a, b = copy.deepcopy(a), copy.deepcopy(b)
    (a(torch.ones(1, 1, device=device)) + b(torch.ones(1, 1, device=device))).backward()
    return {"got": a.weight.grad, "right": torch.full((1, 1), 2.0)}


def tie_lost_in_copies_fix(device):
    """Copy both in one call: it remembers what it has copied."""
    a, b = nn.Linear(1, 1, bias=False, device=device), nn.Linear(1, 1, bias=False, device=device)
    b.weight = a.weight
    a, b = copy.deepcopy((a, b))
    (a(torch.ones(1, 1, device=device)) + b(torch.ones(1, 1, device=device))).backward()
    return {"got": a.weight.grad, "right": torch.full((1, 1), 2.0)}


def tie_lost_in_copies_twin(device):
    """`.to()` converts the parameter where it is: the tie holds."""
    a, b = nn.Linear(1, 1, bias=False, device=device), nn.Linear(1, 1, bias=False, device=device)
    b.weight = a.weight
    a, b = a.to(torch.float64), b.to(torch.float64)
    x = torch.ones(1, 1, device=device, dtype=torch.float64)
    (a(x) + b(x)).backward()
    return {"got": a.weight.grad, "right": torch.full((1, 1), 2.0)}


def duplicated_in_group(device):
    """The optimizer steps what it is given, as often as it is given."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.sum().backward()
    optimizer = torch.optim.SGD([w, w], lr=0.1)
    optimizer.step()
    return {"got": 1 - w, "right": torch.full((2,), 0.1)}


def duplicated_in_group_fix(device):
    """Each parameter once; a dictionary drops duplicates and keeps the order."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.sum().backward()
    optimizer = torch.optim.SGD(dict.fromkeys([w, w]), lr=0.1)
    optimizer.step()
    return {"got": 1 - w, "right": torch.full((2,), 0.1)}


def duplicated_in_group_twin(device):
    """Listed in two groups it is refused, so that nothing is stepped twice."""
    w = torch.ones(2, device=device, requires_grad=True)
    refused = False
    try:
        torch.optim.SGD([{"params": [w]}, {"params": [w], "lr": 1}], lr=0.1)
    except ValueError:
        refused = True
    return {"got": refused, "right": True}


MODES = (
    FailureMode(
        title="`b.weight.data = a.weight.data` to tie two layers",
        broken=tied_by_data,
        fix=tied_by_data_fix,
        twin=tied_by_data_twin,
        state=State.wrong,
    ),
    FailureMode(
        title="A loop over modules that updates a tied weight in each",
        broken=tied_stepped_by_module,
        fix=tied_stepped_by_module_fix,
        twin=tied_stepped_by_module_twin,
        state=State.doubled,
    ),
    FailureMode(
        title="`load_state_dict(…, assign=True)` of a model with tied weights",
        broken=tie_lost_in_assign,
        fix=tie_lost_in_assign_fix,
        twin=tie_lost_in_assign_twin,
        state=State.wrong,
        source="pt#188346",
    ),
    FailureMode(
        title="The parts of a tied model copied one by one",
        broken=tie_lost_in_copies,
        fix=tie_lost_in_copies_fix,
        twin=tie_lost_in_copies_twin,
        state=State.wrong,
    ),
    FailureMode(
        title="A parameter twice in one list",
        broken=duplicated_in_group,
        fix=duplicated_in_group_fix,
        twin=duplicated_in_group_twin,
        state=State.doubled,
        says="optimizer contains a parameter group with duplicate parameters",
        source="pt#40967",
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
