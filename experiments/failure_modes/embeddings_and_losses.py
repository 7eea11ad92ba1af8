"""Embeddings and losses: rows that move unseen, and losses that are not what they look like.

The gradient of a dense embedding is as large as the table: rows that were not looked up have a zero
gradient, not none. And a loss of mismatched shapes is a loss, too.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def unseen_rows_moved(device):
    """Adam moves a row with a zero gradient as long as it remembers an earlier one."""
    table = nn.Embedding(2, 1, device=device)
    optimizer = torch.optim.Adam(table.parameters(), lr=0.1)
    table(torch.tensor([0], device=device)).sum().backward()
    optimizer.step()
    before = table.weight[0].detach().clone()
    optimizer.zero_grad()
    table(torch.tensor([1], device=device)).sum().backward()
    optimizer.step()
    return {"got": table.weight[0], "right": before}


def unseen_rows_moved_fix(device):
    """With sparse gradients `SparseAdam` touches only the rows that were looked up."""
    table = nn.Embedding(2, 1, sparse=True, device=device)
    optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
    table(torch.tensor([0], device=device)).sum().backward()
    optimizer.step()
    before = table.weight[0].detach().clone()
    optimizer.zero_grad()
    table(torch.tensor([1], device=device)).sum().backward()
    optimizer.step()
    return {"got": table.weight[0], "right": before}


def unseen_rows_moved_twin(device):
    """Plain SGD does not move a row with a zero gradient."""
    table = nn.Embedding(2, 1, device=device)
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
    table(torch.tensor([0], device=device)).sum().backward()
    optimizer.step()
    before = table.weight[0].detach().clone()
    optimizer.zero_grad()
    table(torch.tensor([1], device=device)).sum().backward()
    optimizer.step()
    return {"got": table.weight[0], "right": before}


def sparse_with_adam(device):
    """Adam has no rule for a gradient that holds only some rows."""
    table = nn.Embedding(2, 2, sparse=True, device=device)
    optimizer = torch.optim.Adam(table.parameters(), lr=0.1)
    table(torch.tensor([0], device=device)).sum().backward()
    optimizer.step()


def sparse_with_adam_fix(device):
    """A second optimizer for the tables."""
    table = nn.Embedding(2, 2, sparse=True, device=device)
    before = table.weight.detach().clone()
    optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
    table(torch.tensor([0], device=device)).sum().backward()
    optimizer.step()
    return {"got": table.weight[0], "right": before[0] - 0.1}


def sparse_with_adam_twin(device):
    """SGD takes sparse gradients."""
    table = nn.Embedding(2, 2, sparse=True, device=device)
    before = table.weight.detach().clone()
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
    table(torch.tensor([0], device=device)).sum().backward()
    optimizer.step()
    return {"got": table.weight[0], "right": before[0] - 0.1}


def sparse_row_lost(device):
    """One row of one element, and a gradient expanded from a sum: adding it adds nothing."""
    table = nn.Embedding(2, 1, sparse=True, device=device)
    before = table.weight.detach().clone()
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
    table(torch.tensor([0], device=device)).sum().backward()
    optimizer.step()
    return {"got": table.weight[0], "right": before[0] - 0.1, "lost": before[0]}


def sparse_row_lost_fix(device):
    """A table this narrow gains nothing by sparse gradients."""
    table = nn.Embedding(2, 1, device=device)
    before = table.weight.detach().clone()
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
    table(torch.tensor([0], device=device)).sum().backward()
    optimizer.step()
    return {"got": table.weight[0], "right": before[0] - 0.1, "lost": before[0]}


def sparse_row_lost_twin(device):
    """Two rows at once are added."""
    table = nn.Embedding(2, 1, sparse=True, device=device)
    before = table.weight.detach().clone()
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
    table(torch.tensor([0, 1], device=device)).sum().backward()
    optimizer.step()
    return {"got": table.weight[0], "right": before[0] - 0.1, "lost": before[0]}


def padding_row_replaced(device):
    """The row of `padding_idx` never gets a gradient; a word that is given it never learns."""
    table = nn.Embedding(2, 1, padding_idx=0, device=device)
    table(torch.tensor([0], device=device)).sum().backward()
    return {"got": table.weight.grad[0], "right": torch.ones(1)}


def padding_row_replaced_fix(device):
    """Keep the row for padding, and count words from one."""
    table = nn.Embedding(2, 1, padding_idx=0, device=device)
    table(torch.tensor([1], device=device)).sum().backward()
    return {"got": table.weight.grad[1], "right": torch.ones(1)}


def padding_row_replaced_twin(device):
    """Looked up for padding, the row should stay as it is, and does."""
    table = nn.Embedding(2, 1, padding_idx=0, device=device)
    table(torch.tensor([0, 1], device=device)).sum().backward()
    return {"got": table.weight.grad, "right": torch.tensor([[0.0], [1.0]])}


def loss_broadcast(device):
    """(3, 1) against (3,) broadcasts to (3, 3): each prediction meets each target."""
    w = torch.ones(3, 1, device=device, requires_grad=True)
    target = torch.tensor([1.0, 2.0, 3.0], device=device)
    nn.functional.mse_loss(w, target).backward()
    return {"got": w.grad[:, 0], "right": 2 / 3 * (w[:, 0] - target)}


def loss_broadcast_fix(device):
    """Give both one shape."""
    w = torch.ones(3, 1, device=device, requires_grad=True)
    target = torch.tensor([1.0, 2.0, 3.0], device=device)
    nn.functional.mse_loss(w[:, 0], target).backward()
    return {"got": w.grad[:, 0], "right": 2 / 3 * (w[:, 0] - target)}


def loss_broadcast_twin(device):
    """A single target for all, expanded on purpose, is fine."""
    w = torch.ones(3, 1, device=device, requires_grad=True)
    target = torch.full((1, 1), 2.0, device=device)
    nn.functional.mse_loss(w, target.expand(3, 1)).backward()
    return {"got": w.grad, "right": 2 / 3 * (w - 2.0)}


def target_not_detached(device):
    """The gradient also flows through the target, and pulls it towards the prediction."""
    value = torch.tensor([1.0, 3.0], device=device, requires_grad=True)
    prediction, target = value[0], 0.5 * value[1]
    (prediction - target).square().backward()
    return {"got": value.grad, "right": torch.tensor([-1.0, 0.0])}


def target_not_detached_fix(device):
    """Detach the target."""
    value = torch.tensor([1.0, 3.0], device=device, requires_grad=True)
    prediction, target = value[0], 0.5 * value[1].detach()
    (prediction - target).square().backward()
    return {"got": value.grad, "right": torch.tensor([-1.0, 0.0])}


def target_not_detached_twin(device):
    """Where both sides are to approach each other both get a gradient."""
    value = torch.tensor([1.0, 3.0], device=device, requires_grad=True)
    (value[0] - value[1]).square().backward()
    return {"got": value.grad, "right": torch.tensor([-4.0, 4.0])}


def loss_not_reduced(device):
    """Backward starts from one number; for several it wants to know how they are weighted."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().backward()


def loss_not_reduced_fix(device):
    """Reduce the loss, or give the weights."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().backward(torch.ones(2, device=device))
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def loss_not_reduced_twin(device):
    """A tensor of one element counts as a number, whatever its shape."""
    w = torch.ones(1, 1, device=device, requires_grad=True)
    w.square().backward()
    return {"got": w.grad, "right": torch.full((1, 1), 2.0)}


MODES = (
    FailureMode(
        title="Rows of a dense embedding that were not looked up",
        broken=unseen_rows_moved,
        fix=unseen_rows_moved_fix,
        twin=unseen_rows_moved_twin,
        state=State.wrong,
        source="docs: torch.optim.SparseAdam",
        documented=True,
    ),
    FailureMode(
        title="`nn.Embedding(sparse=True)` with Adam",
        broken=sparse_with_adam,
        fix=sparse_with_adam_fix,
        twin=sparse_with_adam_twin,
        state=State.error,
        says="does not support sparse gradients",
        source="docs: torch.nn.Embedding",
        documented=True,
    ),
    FailureMode(
        title="`nn.Embedding(…, 1, sparse=True)`, one row looked up, and SGD",
        broken=sparse_row_lost,
        fix=sparse_row_lost_fix,
        twin=sparse_row_lost_twin,
        state=State.lost,
        source="docs: torch.nn.Embedding; pt#17950",
        promise="Optimizers that support sparse gradients: SGD, SparseAdam, Adagrad.",
    ),
    FailureMode(
        title="A word at the `padding_idx`",
        broken=padding_row_replaced,
        fix=padding_row_replaced_fix,
        twin=padding_row_replaced_twin,
        state=State.zero,
        source="docs: torch.nn.Embedding",
        documented=True,
    ),
    FailureMode(
        title="Prediction and target of different shapes",
        broken=loss_broadcast,
        fix=loss_broadcast_fix,
        twin=loss_broadcast_twin,
        state=State.wrong,
        says="Using a target size",
    ),
    FailureMode(
        title="A target that was not detached",
        broken=target_not_detached,
        fix=target_not_detached_fix,
        twin=target_not_detached_twin,
        state=State.wrong,
    ),
    FailureMode(
        title="`backward()` of a loss that is not one number",
        broken=loss_not_reduced,
        fix=loss_not_reduced_fix,
        twin=loss_not_reduced_twin,
        state=State.error,
        says="grad can be implicitly created only for scalar outputs",
        source="docs: torch.Tensor.backward",
        documented=True,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
