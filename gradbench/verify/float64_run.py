"""The float64 run of a model's training steps: which tensors train, and their true gradients."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from gradbench.models.base import Batch, loss, place
from gradbench.rules.base import Rule
from gradbench.verify.seeding import seed_step
from gradbench.zeroing.base import Zeroing

_PIECE, _PIECE_ON_CPU = 1 << 24, 1 << 16
"""Elements updated at a time where the rule is element-wise. On the CPU a cache holds the
temporaries of a piece; elsewhere pieces are large, since each kernel takes microseconds to
launch."""


Left: TypeAlias = Literal["none", "zeros", "sums"]
"""What a zeroing leaves in ``.grad``. A parameter that a later step gives no gradient is stepped
with zeros, and left alone where ``.grad`` is None."""

Gradients: TypeAlias = dict[str, Tensor]
"""The gradient in ``.grad`` after backward by parameter name, rounded to the block's dtype or
float32, whichever is wider; parameters that get none are absent."""


def trained_parameters(module: nn.Module, batch: Batch, seeds: Sequence[int] = ()) -> list[str]:
    """Name the parameters that get a gradient.

    Args:
        module: Left as it is, gradients cleared.
        batch: On the module's device.
        seeds: Seeds of further passes, of which as many are made as it takes until no parameter is
            left that requires a gradient and has none: chance may decide what a model uses.

    Returns:
        Names in the module's order.

    Raises:
        FloatingPointError: The loss is not finite, in a type that is wide enough for any model.
        TypeError: A gradient is sparse.
    """
    value = loss(module, batch)
    if value.requires_grad and all(p.dtype.itemsize >= 4 for p in module.parameters()):
        _check_finite(value)
    found = _with_gradient(module, value)
    trainable = [name for name, p in module.named_parameters() if p.requires_grad]
    for seed in seeds:
        if len(found) == len(trainable):
            break
        seed_step(next(module.parameters()).device, seed)
        found |= _with_gradient(module, loss(module, batch))
    return [name for name in trainable if name in found]


def _with_gradient(module: nn.Module, value: Tensor) -> set[str]:
    """Name the parameters that a loss gives a gradient."""
    if not value.requires_grad:
        return set()
    value.backward()
    gradients = {n: p.grad for n, p in module.named_parameters() if p.grad is not None}
    module.zero_grad(set_to_none=True)
    for name, gradient in gradients.items():
        if gradient.layout != torch.strided:
            layout = str(gradient.layout).removeprefix("torch.")
            raise TypeError(f"the gradient of {name} is {layout}; what is measured is dense")
    return set(gradients)


def left_by(zeroing: Zeroing) -> Left:
    """Say what a zeroing leaves in ``.grad``.

    Args:
        zeroing: Which.

    Returns:
        What is left.
    """
    if zeroing.accumulates:
        return "sums"
    return "none" if zeroing.releases else "zeros"


class Float64Run:
    """A float64 copy of a module, trained with the rule's reference.

    Args:
        module: Where to start from; left alone.
        batch: The batch of every step.
        rule: Whose reference updates the copy.
        seed: Seed of a step's random numbers, plus the step's number.

    Attributes:
        lost_fraction: Share of elements that the first update changes in float64 and leaves as they
            are once it is rounded to the module's dtype; None before there was one.
    """

    def __init__(self, module: nn.Module, batch: Batch, rule: Rule, seed: int) -> None:
        first = next(module.parameters())
        self._dtype = first.dtype
        self._kept = torch.promote_types(first.dtype, torch.float32)
        self._module, self._rule, self._seed = module, rule, seed
        self._device = first.device
        self._twin, self._batch = place(_float64(module), batch, first.device, torch.float64)
        self._parameters = dict(self._twin.named_parameters())
        self._slots: dict[str, dict[str, Tensor]] = {}
        self._counts: dict[str, int] = {}
        self.lost_fraction: float | None = None

    def follow(self, steps: int, left: Left) -> list[Gradients]:
        """Train from the start.

        Args:
            steps: Number of steps.
            left: What stays in ``.grad`` between them.

        Returns:
            The gradients of each step.

        Raises:
            RuntimeError: The module does not run in float64.
            FloatingPointError: The first loss is not finite.
        """
        self._restart()
        record = []
        for step in range(steps):
            seed_step(self._device, self._seed + step)
            value = loss(self._twin, self._batch)
            if step == 0:
                _check_finite(value)
            value.backward()
            present = {n: p for n, p in self._parameters.items() if p.grad is not None}
            record.append({n: _gradient(p).to(self._kept, copy=True) for n, p in present.items()})
            if step + 1 == steps:
                break  # nobody looks at the values after the last step
            lost = 0
            for name, parameter in present.items():
                self._counts[name] += 1
                before = parameter.detach().to(self._dtype, copy=True) if step == 0 else None
                self._slots[name] = _update(
                    self._rule,
                    parameter.detach(),
                    _gradient(parameter),
                    self._slots[name],
                    self._counts[name],
                    keep=step + 2 < steps,
                )
                lost += 0 if before is None else _lost(before, parameter.detach())
            if step == 0:
                elements = sum(parameter.numel() for parameter in present.values())
                self.lost_fraction = lost / max(elements, 1)
            if left != "sums":
                self._twin.zero_grad(set_to_none=left == "none")
        return record

    def follow_each(self, steps: int, wanted: Collection[Left]) -> dict[Left, list[Gradients]]:
        """Train once for each of what zeroings leave, and not again where it is the same.

        Args:
            steps: Number of steps.
            wanted: What zeroings leave.

        Returns:
            The gradients of each step, by what is left.

        Raises:
            RuntimeError: The module does not run in float64.
        """
        runs: dict[Left, list[Gradients]] = {}
        if "none" in wanted or "zeros" in wanted:
            runs["none"] = cleared = self.follow(steps, "none")
            complete = all(earlier.keys() <= later.keys() for earlier, later in pairwise(cleared))
            if "zeros" in wanted:
                runs["zeros"] = cleared if complete else self.follow(steps, "zeros")
        if "sums" in wanted:
            # The first update is the same for all, so the second backward pass is, too.
            first = runs.get("none") if steps <= 2 else None
            runs["sums"] = (
                self.follow(steps, "sums")
                if first is None
                else [first[0], *(_sum(first[0], gradients) for gradients in first[1:])]
            )
        return {left: runs[left] for left in wanted}

    def _restart(self) -> None:
        """Put values, buffers and state back to where they began."""
        self._twin.load_state_dict(self._module.state_dict())
        self._twin.zero_grad(set_to_none=True)
        self._counts = dict.fromkeys(self._parameters, 0)
        for name, parameter in self._parameters.items():
            # Views of one zero: the state takes no memory before there is something to keep.
            zero = parameter.new_zeros(()).expand(parameter.shape)
            self._slots[name] = {slot: zero for slot in self._rule.slots_of(parameter.shape)}


def _float64(module: nn.Module) -> nn.Module:
    """Copy a module; its parameters at once in float64, without a copy of their own dtype first."""
    copies = {
        id(p): Parameter(p.detach().to(torch.float64, copy=True), p.requires_grad)
        for p in module.parameters()
        if type(p) is Parameter
    }
    return copy.deepcopy(module, copies)  # what it has copied already, it takes


def _check_finite(value: Tensor) -> None:
    """Refuse a loss from which there is nothing to learn."""
    if not bool(value.detach().isfinite()):
        raise FloatingPointError(f"the model's loss is {float(value.detach())}")


def _update(
    rule: Rule,
    parameter: Tensor,
    gradient: Tensor,
    slots: Mapping[str, Tensor],
    count: int,
    *,
    keep: bool,
) -> dict[str, Tensor]:
    """Follow the reference, piece by piece if the rule is element-wise.

    The parameter is updated in place; the state is returned, or none if it is not to be kept.
    """
    kept = {slot: gradient.new_empty(parameter.shape) for slot in slots} if keep else {}
    cut = _pieces if rule.element_wise else _whole
    values = parameter.contiguous()  # a copy where strides do not let it be cut
    tensors = (values, gradient.contiguous(), *slots.values())
    pieces = zip(*map(cut, tensors), strict=True)
    targets = {slot: cut(tensor) for slot, tensor in kept.items()}
    for index, (value, slope, *state) in enumerate(pieces):
        before = dict(zip(slots, state, strict=True))
        following, after = rule.reference(value, slope, before, count)
        value.copy_(following)
        for slot, target in targets.items():
            target[index].copy_(after[slot])
    if values is not parameter:
        parameter.copy_(values)
    return kept


def _pieces(tensor: Tensor) -> Sequence[Tensor]:
    size = _PIECE_ON_CPU if tensor.device.type == "cpu" else _PIECE
    pieces: Sequence[Tensor] = tensor.view(-1).split(size)
    return pieces


def _lost(before: Tensor, after: Tensor) -> int:
    """Count elements that moved in float64 and not in the dtype of ``before``."""
    same = after.to(before.dtype) == before
    return int((same & (after != before)).sum())


def _whole(tensor: Tensor) -> Sequence[Tensor]:
    return (tensor,)


def _gradient(parameter: Tensor) -> Tensor:
    """Return a gradient that is known to be there."""
    if parameter.grad is None:
        raise RuntimeError("the parameter has no gradient")
    return parameter.grad


def _sum(a: Gradients, b: Gradients) -> Gradients:
    """Add gradients up; one that is absent adds nothing."""
    return {name: a[name] + b[name] if name in a and name in b else (a | b)[name] for name in a | b}
