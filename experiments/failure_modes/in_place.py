"""Writes that autograd sees: in-place operations that it refuses, at once or in backward.

A tensor saved for backward remembers the version it had; a write since then is an error. A leaf
that requires gradients may not be written at all where operations are recorded.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def leaf_written(device):
    """In grad mode the write would be recorded, and a recorded result is no leaf any more."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    w -= 0.1 * w.grad


def leaf_written_fix(device):
    """Write under no_grad."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    return {"got": w, "right": torch.full((2,), 0.8), "lost": torch.ones(2)}


def leaf_written_twin(device):
    """A result may be written in place: that is recorded like any operation."""
    w = torch.ones(2, device=device, requires_grad=True)
    h = 2 * w
    h -= 1
    h.square().sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 4.0)}


def leaf_view_written(device):
    """An element of a leaf is a view of it; writing one would write the leaf."""
    w = torch.ones(2, device=device, requires_grad=True)
    w[0] = 3.0


def leaf_view_written_fix(device):
    """Write under no_grad, where the element is to be a new value of the parameter."""
    w = torch.ones(2, device=device, requires_grad=True)
    with torch.no_grad():
        w[0] = 3.0
    w.square().sum().backward()
    return {"got": w.grad, "right": torch.tensor([6.0, 2.0])}


def leaf_view_written_twin(device):
    """In a copy the element is replaced for this forward pass, and gets no gradient."""
    w = torch.ones(2, device=device, requires_grad=True)
    h = w.clone()
    h[0] = 3.0
    h.square().sum().backward()
    return {"got": w.grad, "right": torch.tensor([0.0, 2.0])}


def saved_output_written(device):
    """`sigmoid` saves its result to compute its derivative, and `mul_` overwrites that."""
    w = torch.zeros(2, device=device, requires_grad=True)
    w.sigmoid().mul_(2).sum().backward()


def saved_output_written_fix(device):
    """Out of place."""
    w = torch.zeros(2, device=device, requires_grad=True)
    w.sigmoid().mul(2).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 0.5)}


def saved_output_written_twin(device):
    """An affine map saves nothing of its result: an in-place ReLU after it is fine."""
    model = nn.Sequential(nn.Linear(2, 2, device=device), nn.ReLU(inplace=True))
    nn.init.eye_(model[0].weight)
    nn.init.ones_(model[0].bias)
    model(torch.ones(1, 2, device=device)).sum().backward()
    return {"got": model[0].weight.grad, "right": torch.ones(2, 2)}


def step_between_losses(device):
    """The second loss went through the weights that the first step overwrote."""
    generator, critic = nn.Linear(1, 1, device=device), nn.Linear(1, 1, device=device)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    score = critic(generator(torch.ones(1, 1, device=device)))
    score.sum().backward(retain_graph=True)
    optimizer.step()
    (-score).sum().backward()


def step_between_losses_fix(device):
    """Run the critic again after its step, and detach its input the first time."""
    generator, critic = nn.Linear(1, 1, device=device), nn.Linear(1, 1, device=device)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    fake = generator(torch.ones(1, 1, device=device))
    critic(fake.detach()).sum().backward()
    optimizer.step()
    (-critic(fake)).sum().backward()
    return {"got": generator.weight.grad, "right": -critic.weight}


def step_between_losses_twin(device):
    """Both backwards before the step: nothing that is saved is overwritten in between."""
    generator, critic = nn.Linear(1, 1, device=device), nn.Linear(1, 1, device=device)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    before = critic.weight.detach().clone()
    score = critic(generator(torch.ones(1, 1, device=device)))
    score.sum().backward(retain_graph=True)
    generator.zero_grad()
    (-score).sum().backward()
    optimizer.step()
    return {"got": generator.weight.grad, "right": -before}


def parts_written(device):
    """`unbind` returns several views at once, which may not be written one by one."""
    w = torch.ones(2, device=device, requires_grad=True)
    first, second = (2 * w).unbind()
    first.mul_(3)
    (first + second).backward()


def parts_written_fix(device):
    """Out of place."""
    w = torch.ones(2, device=device, requires_grad=True)
    first, second = (2 * w).unbind()
    first = first * 3
    (first + second).backward()
    return {"got": w.grad, "right": torch.tensor([6.0, 2.0])}


def parts_written_twin(device):
    """A single view may be written, and its base follows."""
    w = torch.ones(2, device=device, requires_grad=True)
    h = 2 * w
    h[0].mul_(3)
    h.sum().backward()
    return {"got": w.grad, "right": torch.tensor([6.0, 2.0])}


def embedding_renormalised(device):
    """With `max_norm` the lookup writes the rows it reads, here after they were saved."""
    table = nn.Embedding(2, 2, max_norm=0.5, device=device)
    norm = table.weight.square().sum()
    (norm + table(torch.tensor([0], device=device)).sum()).backward()


def embedding_renormalised_fix(device):
    """Use a copy of the weight where it comes before the lookup."""
    table = nn.Embedding(2, 2, max_norm=0.5, device=device)
    before = table.weight.detach().clone()
    norm = table.weight.clone().square().sum()
    (norm + table(torch.tensor([0], device=device)).sum()).backward()
    right = 2 * before
    right[0] += 1
    return {"got": table.weight.grad, "right": right}


def embedding_renormalised_twin(device):
    """Looked up first, the weight is used as the lookup left it."""
    table = nn.Embedding(2, 2, max_norm=0.5, device=device)
    row = table(torch.tensor([0], device=device)).sum()
    (row + table.weight.square().sum()).backward()
    right = 2 * table.weight.detach()
    right[0] += 1
    return {"got": table.weight.grad, "right": right}


MODES = (
    FailureMode(
        title="`w -= lr * w.grad` in grad mode",
        broken=leaf_written,
        fix=leaf_written_fix,
        twin=leaf_written_twin,
        state=State.error,
        says="a leaf Variable that requires grad is being used in an in-place operation",
        source="docs: notes/autograd, No-grad Mode",
        documented=True,
    ),
    FailureMode(
        title="`w[0] = …` in grad mode",
        broken=leaf_view_written,
        fix=leaf_view_written_fix,
        twin=leaf_view_written_twin,
        state=State.error,
        says="a view of a leaf Variable that requires grad is being used in an in-place operation",
    ),
    FailureMode(
        title="An in-place operation on a result that was saved",
        broken=saved_output_written,
        fix=saved_output_written_fix,
        twin=saved_output_written_twin,
        state=State.error,
        says="has been modified by an inplace operation",
        source="docs: notes/autograd, In-place correctness checks",
        documented=True,
    ),
    FailureMode(
        title="A step between the two backwards of one graph (the order of a GAN)",
        broken=step_between_losses,
        fix=step_between_losses_fix,
        twin=step_between_losses_twin,
        state=State.error,
        says="has been modified by an inplace operation",
        source="pt#39141",
    ),
    FailureMode(
        title="One of several views written: `unbind`, `split`, `chunk`",
        broken=parts_written,
        fix=parts_written_fix,
        twin=parts_written_twin,
        state=State.error,
        says="is the output of a function that returns multiple views",
    ),
    FailureMode(
        title="`nn.Embedding(max_norm=…)` looked up after its weight was used",
        broken=embedding_renormalised,
        fix=embedding_renormalised_fix,
        twin=embedding_renormalised_twin,
        state=State.error,
        says="has been modified by an inplace operation",
        source="docs: torch.nn.Embedding",
        documented=True,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
