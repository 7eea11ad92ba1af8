"""Parametrizations: a weight that is computed from other parameters, each time it is read.

What is written into the computed weight is gone at the next read, and an optimizer that was built
before holds a parameter that is no longer used.
"""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def computed_weight_written(device):
    """The write goes into a result that is thrown away."""
    layer = parametrizations.weight_norm(nn.Linear(2, 1, bias=False, device=device))
    before = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight.add_(1)
    return {"got": layer.weight, "right": before + 1, "lost": before}


def computed_weight_written_fix(device):
    """Assign: the parametrization finds the parameters that give this weight."""
    layer = parametrizations.weight_norm(nn.Linear(2, 1, bias=False, device=device))
    before = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight = layer.weight + 1
    return {"got": layer.weight, "right": before + 1, "lost": before}


def computed_weight_written_twin(device):
    """What is not parametrized, such as the bias, is written as ever."""
    layer = parametrizations.weight_norm(nn.Linear(2, 1, device=device))
    before = layer.bias.detach().clone()
    with torch.no_grad():
        layer.bias.add_(1)
    return {"got": layer.bias, "right": before + 1, "lost": before}


def optimizer_before_parametrization(device):
    """`weight_norm` replaces the weight by two new parameters, which the optimizer never saw."""
    layer = nn.Linear(2, 1, bias=False, device=device)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    parametrizations.weight_norm(layer)
    size = layer.parametrizations.weight.original0
    before = size.detach().clone()
    layer(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": size, "right": before - 0.1 * size.grad, "lost": before}


def optimizer_before_parametrization_fix(device):
    """Parametrize first."""
    layer = parametrizations.weight_norm(nn.Linear(2, 1, bias=False, device=device))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    size = layer.parametrizations.weight.original0
    before = size.detach().clone()
    layer(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": size, "right": before - 0.1 * size.grad, "lost": before}


def optimizer_before_parametrization_twin(device):
    """Pruning renames the parameter and keeps it: the optimizer still steps it."""
    layer = nn.Linear(2, 1, bias=False, device=device)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    prune.identity(layer, "weight")
    before = layer.weight_orig.detach().clone()
    layer(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": layer.weight_orig, "right": before - 0.1, "lost": before}


def weight_cached_over_step(device):
    """Within `cached` a weight is computed once: the step changes its parameters, not it."""
    layer = nn.Linear(1, 1, bias=False, device=device)
    nn.init.ones_(layer.weight)
    parametrize.register_parametrization(layer, "weight", nn.Softplus())
    x = torch.ones(1, 1, device=device)
    with parametrize.cached():
        before = layer.weight.detach().clone()
        layer(x).sum().backward()
        with torch.no_grad():
            layer.parametrizations.weight.original += 3
        got = layer.weight
    return {"got": got, "right": layer.weight, "stale": before}


def weight_cached_over_step_fix(device):
    """A block for each step."""
    layer = nn.Linear(1, 1, bias=False, device=device)
    nn.init.ones_(layer.weight)
    parametrize.register_parametrization(layer, "weight", nn.Softplus())
    x = torch.ones(1, 1, device=device)
    with parametrize.cached():
        before = layer.weight.detach().clone()
        layer(x).sum().backward()
    with torch.no_grad():
        layer.parametrizations.weight.original += 3
    with parametrize.cached():
        got = layer.weight
    return {"got": got, "right": layer.weight, "stale": before}


def weight_cached_over_step_twin(device):
    """Within one step the cache is what it is for: two uses, one gradient that adds up."""
    layer = nn.Linear(1, 1, bias=False, device=device)
    parametrize.register_parametrization(layer, "weight", nn.Identity())
    x = torch.ones(1, 1, device=device)
    with parametrize.cached():
        (layer(x) + layer(2 * x)).sum().backward()
    return {"got": layer.parametrizations.weight.original.grad, "right": torch.full((1, 1), 3.0)}


def pruned_weight_written(device):
    """Before each forward the weight is computed anew from `weight_orig` and the mask."""
    layer = prune.identity(nn.Linear(2, 1, bias=False, device=device), "weight")
    before = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight.fill_(5)
    layer(torch.ones(1, 2, device=device))
    return {"got": layer.weight, "right": torch.full((1, 2), 5.0), "lost": before}


def pruned_weight_written_fix(device):
    """Write into `weight_orig`."""
    layer = prune.identity(nn.Linear(2, 1, bias=False, device=device), "weight")
    before = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight_orig.fill_(5)
    layer(torch.ones(1, 2, device=device))
    return {"got": layer.weight, "right": torch.full((1, 2), 5.0), "lost": before}


def pruned_weight_written_twin(device):
    """After `prune.remove` the weight is a parameter again."""
    layer = prune.identity(nn.Linear(2, 1, bias=False, device=device), "weight")
    before = layer.weight.detach().clone()
    prune.remove(layer, "weight")
    with torch.no_grad():
        layer.weight.fill_(5)
    layer(torch.ones(1, 2, device=device))
    return {"got": layer.weight, "right": torch.full((1, 2), 5.0), "lost": before}


MODES = (
    FailureMode(
        title="An in-place update of a parametrized weight",
        broken=computed_weight_written,
        fix=computed_weight_written_fix,
        twin=computed_weight_written_twin,
        state=State.lost,
    ),
    FailureMode(
        title="`weight_norm` after the optimizer was built",
        broken=optimizer_before_parametrization,
        fix=optimizer_before_parametrization_fix,
        twin=optimizer_before_parametrization_twin,
        state=State.lost,
    ),
    FailureMode(
        title="`parametrize.cached()` over an update",
        broken=weight_cached_over_step,
        fix=weight_cached_over_step_fix,
        twin=weight_cached_over_step_twin,
        state=State.stale,
        source="docs: torch.nn.utils.parametrize.cached",
    ),
    FailureMode(
        title="A pruned weight written by hand",
        broken=pruned_weight_written,
        fix=pruned_weight_written_fix,
        twin=pruned_weight_written_twin,
        state=State.lost,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
