"""What does clearing a gradient leave behind, and what does the next backward pass make of it?

Gradients add up in `.grad`, so they are cleared between steps: to None, or to zeros in place. Here
each zeroing meets gradients of several kinds. What is in `.grad` afterwards, is it the same tensor
in the same memory, and what became of a reference to it that someone had kept, for a plot or an
average? Then the same backward pass runs once more: it must leave one gradient, not two.

A case is as documented if what is left is what the zeroing is for (None, zeros, or the old gradient
where nothing is cleared), and if the next backward pass then leaves its own gradient, or the sum
where nothing was cleared.

Sources: documentation of torch.optim.Optimizer.zero_grad and of torch.Tensor.backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter

from gradbench.observing.cases import documented, observe_named
from gradbench.observing.observation import Observation, Verdict, first_line
from gradbench.observing.options import options
from gradbench.observing.outcome import NONE, STALE, ZERO
from gradbench.observing.script import main
from gradbench.observing.writes import writes_of
from gradbench.zeroing.base import Zeroing

SOURCE = "documentation of torch.optim.Optimizer.zero_grad"


# Kinds of gradients.


def dense(weight: Parameter) -> None:
    """Accumulate an ordinary gradient."""
    weight.square().sum().backward()


def in_a_buffer(weight: Parameter) -> None:
    """Accumulate into a view of a larger buffer, as flat and distributed training do."""
    if weight.grad is None:
        buffer = torch.zeros(weight.numel() + 2, device=weight.device)
        weight.grad = buffer[1:-1].view_as(weight)
    weight.square().sum().backward()


def sparse(weight: Parameter) -> None:
    """Accumulate a sparse gradient: only of the rows that were looked up."""
    rows = torch.tensor([1], device=weight.device)
    F.embedding(rows, weight, sparse=True).square().sum().backward()


def with_history(weight: Parameter) -> None:
    """Accumulate a gradient that can itself be differentiated."""
    (gradient,) = torch.autograd.grad(weight.square().sum(), weight, create_graph=True)
    weight.grad = gradient if weight.grad is None else weight.grad + gradient


def missing(weight: Parameter) -> None:
    """Leave ``.grad`` alone: the loss does not depend on the weight."""
    weight.new_ones(1).requires_grad_().square().sum().backward()


KINDS = (dense, in_a_buffer, sparse, with_history, missing)


# What is seen.


@dataclass(frozen=True, kw_only=True)
class LeftBehind(Observation):
    """What a zeroing leaves behind.

    Args:
        zeroing: How the gradient was cleared.
        gradient_kind: Kind of gradient that was cleared.
        same_gradient: Whether ``.grad`` is still the same object.
        shares_memory: Whether ``.grad`` still lies in the same memory; None where there is no
            memory to compare.
        gradient_version_delta: Change of the version counter of the tensor that was in ``.grad``.
        kept_reference: What a reference to the gradient now holds: ``stale`` or ``zero``.
        next_gradient: What the next backward pass leaves, in multiples of its own gradient.
    """

    zeroing: str
    gradient_kind: str
    same_gradient: bool | None = None
    shares_memory: bool | None = None
    gradient_version_delta: int | None = None
    kept_reference: str | None = None
    next_gradient: float | None = None


def clear(
    name: str, zeroing: Zeroing, kind: Callable[[Parameter], None], device: torch.device
) -> LeftBehind:
    """Clear one gradient, look at what is left, and run backward again."""
    weight = Parameter(torch.arange(1.0, 7.0, device=device).view(2, 3))
    kind(weight)
    kept = weight.grad
    if kept is None or zeroing.releases:
        expected, times = NONE, 1
    else:
        expected, times = (STALE, 2) if zeroing.accumulates else (ZERO, 1)
    case = LeftBehind(
        case=f"{kind.__name__} / {name}",
        expected=expected,
        outcome="error",
        verdict=Verdict.defect,
        source=SOURCE,
        zeroing=name,
        gradient_kind=kind.__name__,
    )
    once = torch.zeros(()) if kept is None else values(kept)
    version = 0 if kept is None else writes_of(kept)
    try:
        zeroing.bind([weight])()
        left = weight.grad
        found = NONE if left is None else STALE if values(left).any() else ZERO
        if kept is not None:
            case = replace(
                case,
                same_gradient=left is kept,
                shares_memory=share_memory(left, kept),
                gradient_version_delta=writes_of(kept) - version,
                kept_reference=STALE if values(kept).any() else ZERO,
            )
        tracked = left is not None and left.requires_grad
        kind(weight)
    except Exception as error:
        return replace(case, message=first_line(error))
    next_gradient = None if weight.grad is None else multiple(values(weight.grad), once)
    good = found == expected and next_gradient == (None if kept is None else times)
    return replace(
        case,
        outcome=found,
        verdict=documented(good),
        message="the gradient left still has a history, which grows with every step"
        if tracked and found == ZERO
        else None,
        next_gradient=next_gradient,
    )


def values(gradient: Tensor) -> Tensor:
    """Copy the values of a gradient of any layout, without its history."""
    return gradient.detach().to_dense().clone()


def share_memory(left: Tensor | None, kept: Tensor) -> bool | None:
    """Say whether two gradients lie in the same memory; a sparse tensor has no one place."""
    if left is None or left is kept:
        return left is kept
    return None if kept.is_sparse or left.is_sparse else left.data_ptr() == kept.data_ptr()


def multiple(gradient: Tensor, once: Tensor) -> float:
    """Return the number by which ``once`` was multiplied; NaN where it is no multiple."""
    factor = float((gradient * once).sum() / once.square().sum())
    return factor if torch.allclose(gradient, factor * once) else float("nan")


def observe(device: torch.device) -> Iterator[Observation]:
    """Clear every kind of gradient in every way."""
    zeroings: dict[str, Zeroing] = options("zeroing")
    cases = (
        (f"{kind.__name__} / {name}", partial(clear, name, zeroing, kind, device))
        for kind, (name, zeroing) in product(KINDS, zeroings.items())
    )
    yield from observe_named(cases, device)


if __name__ == "__main__":
    main(observe)
