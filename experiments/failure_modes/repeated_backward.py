"""Repeated backward: one graph gone through twice, or differentiated twice.

Backward frees what the graph had saved, adds to `.grad`, and is itself recorded only if asked.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def graph_used_twice(device):
    """The first backward has freed what was saved."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    loss.backward()
    loss.backward()


def graph_used_twice_fix(device):
    """Run the forward pass again, or keep the graph with `retain_graph=True`."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    w.grad = None
    w.square().sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def graph_used_twice_twin(device):
    """A graph that saved nothing, as of sums, can be used again."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = (w + 3).sum()
    loss.backward()
    w.grad = None
    loss.backward()
    return {"got": w.grad, "right": torch.ones(2)}


def retained_and_added(device):
    """With the graph kept the second backward works, and adds to the first."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    loss.backward(retain_graph=True)
    loss.backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def retained_and_added_fix(device):
    """Clear `.grad` in between."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    loss.backward(retain_graph=True)
    w.grad = None
    loss.backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def retained_and_added_twin(device):
    """`autograd.grad` returns the gradient and adds it to nothing."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    torch.autograd.grad(loss, w, retain_graph=True)
    (got,) = torch.autograd.grad(loss, w)
    return {"got": got, "right": torch.full((2,), 2.0)}


def hidden_state_carried(device):
    """The new loss depends on the hidden state, and through it on the old, freed graph."""
    cell = nn.RNNCell(1, 1, device=device)
    hidden = torch.zeros(1, 1, device=device)
    for _ in range(2):
        hidden = cell(torch.ones(1, 1, device=device), hidden)
        hidden.sum().backward()


def hidden_state_carried_fix(device):
    """Detach the state between two steps."""
    cell = nn.RNNCell(1, 1, device=device)
    hidden = torch.zeros(1, 1, device=device)
    for _ in range(2):
        cell.zero_grad()
        hidden = cell(torch.ones(1, 1, device=device), hidden.detach())
        hidden.sum().backward()
    return {"got": cell.bias_ih.grad, "right": (1 - hidden**2)[0]}


def hidden_state_carried_twin(device):
    """Over several steps of one sequence the graph is meant to hang together: one backward."""
    cell = nn.RNNCell(1, 1, bias=False, device=device)
    nn.init.zeros_(cell.weight_ih)
    nn.init.ones_(cell.weight_hh)
    start = torch.zeros(1, 1, device=device, requires_grad=True)
    hidden = start
    for _ in range(2):
        hidden = cell(torch.ones(1, 1, device=device), hidden)
    hidden.sum().backward()
    return {"got": start.grad, "right": torch.ones(1, 1)}


def gradient_without_graph(device):
    """By default the gradient is a number like any other, with no history to differentiate."""
    w = torch.full((2,), 2.0, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(w.pow(3).sum(), w)
    g.sum().backward()


def gradient_without_graph_fix(device):
    """Have backward recorded."""
    w = torch.full((2,), 2.0, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(w.pow(3).sum(), w, create_graph=True)
    g.sum().backward()
    return {"got": w.grad, "right": 6 * w}


def gradient_without_graph_twin(device):
    """As a factor, such as an adaptive rate, a gradient without history is fine."""
    w = torch.full((2,), 2.0, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(w.pow(3).sum(), w)
    (g * w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 12.0)}


def penalty_without_graph(device):
    """The penalty counts in the loss, and is a constant in its gradient."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    (g,) = torch.autograd.grad(loss, w, retain_graph=True)
    (loss + g.square().sum()).backward()
    return {"got": w.grad, "right": 10 * w}


def penalty_without_graph_fix(device):
    """Have the first gradient recorded."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    (g,) = torch.autograd.grad(loss, w, create_graph=True)
    (loss + g.square().sum()).backward()
    return {"got": w.grad, "right": 10 * w}


def penalty_without_graph_twin(device):
    """A penalty on the weight itself needs no second derivative."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    (loss + 4 * w.square().sum()).backward()
    return {"got": w.grad, "right": 10 * w}


def gradients_not_stored(device):
    """`autograd.grad` returns gradients; the step looks for them in `.grad`."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    torch.autograd.grad(w.square().sum(), w)
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.8), "lost": torch.ones(2)}


def gradients_not_stored_fix(device):
    """Put it there."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    (w.grad,) = torch.autograd.grad(w.square().sum(), w)
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.8), "lost": torch.ones(2)}


def gradients_not_stored_twin(device):
    """An update by hand can use what is returned."""
    w = torch.ones(2, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(w.square().sum(), w)
    with torch.no_grad():
        w -= 0.1 * g
    return {"got": w, "right": torch.full((2,), 0.8), "lost": torch.ones(2)}


def inner_step_not_recorded(device):
    """An optimizer's step is not recorded: the outer loss does not depend on the rate."""
    w = torch.ones(2, device=device, requires_grad=True)
    rate = torch.tensor(0.1, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=rate.item())
    w.square().sum().backward()
    optimizer.step()
    w.square().sum().backward()
    return {"got": rate.grad, "right": -6.4}


def inner_step_not_recorded_fix(device):
    """Compute the new weight as a result, out of place."""
    w = torch.ones(2, device=device, requires_grad=True)
    rate = torch.tensor(0.1, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(w.square().sum(), w, create_graph=True)
    (w - rate * g).square().sum().backward()
    return {"got": rate.grad, "right": -6.4}


def inner_step_not_recorded_twin(device):
    """To train the weight alone, a rate that is a number is what one wants."""
    w = torch.ones(2, device=device, requires_grad=True)
    rate = torch.tensor(0.1, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=rate.item())
    w.square().sum().backward()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.8)}


MODES = (
    FailureMode(
        title="`loss.backward()` twice",
        broken=graph_used_twice,
        fix=graph_used_twice_fix,
        twin=graph_used_twice_twin,
        state=State.error,
        says="Trying to backward through the graph a second time",
        source="docs: torch.Tensor.backward",
        documented=True,
    ),
    FailureMode(
        title="`loss.backward(retain_graph=True)` and again",
        broken=retained_and_added,
        fix=retained_and_added_fix,
        twin=retained_and_added_twin,
        state=State.doubled,
        source="docs: torch.Tensor.backward",
        documented=True,
    ),
    FailureMode(
        title="A hidden state carried from step to step",
        broken=hidden_state_carried,
        fix=hidden_state_carried_fix,
        twin=hidden_state_carried_twin,
        state=State.error,
        says="Trying to backward through the graph a second time",
    ),
    FailureMode(
        title="A second derivative without `create_graph`",
        broken=gradient_without_graph,
        fix=gradient_without_graph_fix,
        twin=gradient_without_graph_twin,
        state=State.error,
        says="element 0 of tensors does not require grad",
        source="docs: torch.autograd.grad",
        documented=True,
    ),
    FailureMode(
        title="A gradient penalty without `create_graph`",
        broken=penalty_without_graph,
        fix=penalty_without_graph_fix,
        twin=penalty_without_graph_twin,
        state=State.wrong,
        source="docs: torch.autograd.grad",
        documented=True,
    ),
    FailureMode(
        title="`autograd.grad(…)`, then `optimizer.step()`",
        broken=gradients_not_stored,
        fix=gradients_not_stored_fix,
        twin=gradients_not_stored_twin,
        state=State.lost,
        source="docs: torch.autograd.grad",
        documented=True,
    ),
    FailureMode(
        title="A meta-gradient through `optimizer.step()`",
        broken=inner_step_not_recorded,
        fix=inner_step_not_recorded_fix,
        twin=inner_step_not_recorded_twin,
        state=State.none,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
