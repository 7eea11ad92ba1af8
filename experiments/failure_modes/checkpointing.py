"""Checkpointing: a forward pass that runs twice, the second time inside backward.

The second run must find what the first one found: the same weights, the same random numbers. What
it changes, it changes twice.
"""

from collections.abc import Iterator

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def updated_before_recomputation(device):
    """Backward runs the segment again with the new weight: the gradient of another function."""
    w = torch.full((2,), 2.0, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    loss = checkpoint(lambda x: (w * x).square(), x, use_reentrant=False).sum()
    with torch.no_grad():
        w += 1
    loss.backward()
    return {"got": x.grad, "right": torch.full((2,), 8.0)}


def updated_before_recomputation_fix(device):
    """Update after backward."""
    w = torch.full((2,), 2.0, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    loss = checkpoint(lambda x: (w * x).square(), x, use_reentrant=False).sum()
    loss.backward()
    with torch.no_grad():
        w += 1
    return {"got": x.grad, "right": torch.full((2,), 8.0)}


def updated_before_recomputation_twin(device):
    """A weight that the segment does not use may change."""
    w = torch.full((2,), 2.0, device=device, requires_grad=True)
    other = torch.zeros(2, device=device, requires_grad=True)
    x = torch.ones(2, device=device, requires_grad=True)
    loss = (checkpoint(lambda x: (w * x).square(), x, use_reentrant=False) + other).sum()
    with torch.no_grad():
        other += 1
    loss.backward()
    return {"got": x.grad, "right": torch.full((2,), 8.0)}


def input_without_gradient(device):
    """The older, reentrant implementation looks for gradients at its inputs only."""
    model, head = nn.Linear(2, 2, device=device), nn.Linear(2, 1, device=device)
    x = torch.ones(1, 2, device=device)
    head(checkpoint(model, x, use_reentrant=True)).sum().backward()
    return {"got": model.bias.grad, "right": head.weight[0]}


def input_without_gradient_fix(device):
    """Use the other one."""
    model, head = nn.Linear(2, 2, device=device), nn.Linear(2, 1, device=device)
    x = torch.ones(1, 2, device=device)
    head(checkpoint(model, x, use_reentrant=False)).sum().backward()
    return {"got": model.bias.grad, "right": head.weight[0]}


def input_without_gradient_twin(device):
    """In the middle of a network the input does require a gradient."""
    model, head = nn.Linear(2, 2, device=device), nn.Linear(2, 1, device=device)
    x = torch.ones(1, 2, device=device, requires_grad=True)
    head(checkpoint(model, x, use_reentrant=True)).sum().backward()
    return {"got": model.bias.grad, "right": head.weight[0]}


def other_dropout_mask(device):
    """The second run draws other random numbers than the loss was computed with."""
    x = torch.ones(64, device=device, requires_grad=True)
    y = checkpoint(
        lambda x: nn.functional.dropout(x.square(), 0.5),
        x,
        use_reentrant=False,
        preserve_rng_state=False,
    )
    y.sum().backward()
    return {"got": x.grad, "right": 2 * y}


def other_dropout_mask_fix(device):
    """Leave the state of the random numbers to checkpoint, as it does by default."""
    x = torch.ones(64, device=device, requires_grad=True)
    y = checkpoint(lambda x: nn.functional.dropout(x.square(), 0.5), x, use_reentrant=False)
    y.sum().backward()
    return {"got": x.grad, "right": 2 * y}


def other_dropout_mask_twin(device):
    """Where nothing is random there is no state to preserve."""
    x = torch.ones(64, device=device, requires_grad=True)
    y = checkpoint(torch.square, x, use_reentrant=False, preserve_rng_state=False)
    y.sum().backward()
    return {"got": x.grad, "right": 2 * y}


def statistics_counted_twice(device):
    """Each run of the segment updates the running statistics."""
    norm = nn.BatchNorm1d(1, device=device)
    x = torch.tensor([[1.0], [3.0]], device=device, requires_grad=True)
    checkpoint(norm, x, use_reentrant=False).sum().backward()
    return {"got": norm.num_batches_tracked, "right": 1}


def statistics_counted_twice_fix(device):
    """Leave the normalisation out of the segment."""
    norm = nn.BatchNorm1d(1, device=device)
    x = torch.tensor([[1.0], [3.0]], device=device, requires_grad=True)
    checkpoint(torch.square, norm(x), use_reentrant=False).sum().backward()
    return {"got": norm.num_batches_tracked, "right": 1}


def statistics_counted_twice_twin(device):
    """Gradients are not counted twice: the first run records nothing to differentiate."""
    norm = nn.BatchNorm1d(1, device=device)
    x = torch.tensor([[1.0], [3.0]], device=device, requires_grad=True)
    checkpoint(norm, x, use_reentrant=False).sum().backward()
    return {"got": norm.bias.grad, "right": torch.full((1,), 2.0)}


def gradient_asked_for(device):
    """Inside its backward the reentrant implementation calls backward, which fills `.grad`."""
    x = torch.ones(2, device=device, requires_grad=True)
    y = checkpoint(torch.square, x, use_reentrant=True).sum()
    torch.autograd.grad(y, x)


def gradient_asked_for_fix(device):
    """The other implementation takes both."""
    x = torch.ones(2, device=device, requires_grad=True)
    y = checkpoint(torch.square, x, use_reentrant=False).sum()
    (got,) = torch.autograd.grad(y, x)
    return {"got": got, "right": torch.full((2,), 2.0)}


def gradient_asked_for_twin(device):
    """`backward` works with either."""
    x = torch.ones(2, device=device, requires_grad=True)
    checkpoint(torch.square, x, use_reentrant=True).sum().backward()
    return {"got": x.grad, "right": torch.full((2,), 2.0)}


MODES = (
    FailureMode(
        title="A weight updated between forward and backward of a checkpointed segment",
        broken=updated_before_recomputation,
        fix=updated_before_recomputation_fix,
        twin=updated_before_recomputation_twin,
        state=State.wrong,
        source="docs: torch.utils.checkpoint",
        documented=True,
    ),
    FailureMode(
        title="`checkpoint(…, use_reentrant=True)` of the first layer",
        broken=input_without_gradient,
        fix=input_without_gradient_fix,
        twin=input_without_gradient_twin,
        state=State.none,
        says="None of the inputs have requires_grad=True. Gradients will be None",
        source="docs: torch.utils.checkpoint",
        documented=True,
    ),
    FailureMode(
        title="Dropout in a checkpoint with `preserve_rng_state=False`",
        broken=other_dropout_mask,
        fix=other_dropout_mask_fix,
        twin=other_dropout_mask_twin,
        state=State.wrong,
        source="docs: torch.utils.checkpoint",
        documented=True,
    ),
    FailureMode(
        title="`BatchNorm` in a checkpointed segment",
        broken=statistics_counted_twice,
        fix=statistics_counted_twice_fix,
        twin=statistics_counted_twice_twin,
        state=State.doubled,
        source="docs: torch.utils.checkpoint",
        documented=True,
    ),
    FailureMode(
        title="`autograd.grad` through a reentrant checkpoint",
        broken=gradient_asked_for,
        fix=gradient_asked_for_fix,
        twin=gradient_asked_for_twin,
        state=State.error,
        says="torch.utils.checkpoint is incompatible with .grad()",
        source="docs: torch.utils.checkpoint",
        documented=True,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
