"""Muon for matrices, AdamW for everything else."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradbench.rules.adam import Adam
from gradbench.rules.base import (
    Count,
    Rule,
    Slots,
    Unavailable,
    check_fraction,
    check_nonnegative,
)
from gradbench.rules.newton_schulz import (
    operations,
    orthogonalise,
    orthogonalise_batch,
    orthogonalised,
)
from gradbench.rules.side_by_side import SideBySide

_ITERATION_DTYPE = torch.bfloat16
_ADJUSTMENTS = ("original", "match_rms_adamw")
_MOST_STEPS = 99  # torch.optim.Muon refuses more


@dataclass(frozen=True)
class Muon(Rule):
    """Muon: B ← μB + (1−μ)G, p ← (1 − lr·λ)·p − lr·r·NS(D), for matrices; AdamW for the others.

    D is B, or Nesterov's (1−μ)G + μB; NS is Newton–Schulz (:mod:`gradbench.rules.newton_schulz`),
    and r depends on the shape: √max(1, rows/columns), or 0.2·√max(rows, columns), which gives the
    update the root mean square of AdamW's. NS does not see the length of D, so B may have the
    factor 1−μ that the paper leaves out and torch.optim has.

    A matrix has exactly two dimensions. Muon is meant for hidden layers, and the shape does not
    tell an embedding from one: embeddings are matrices here. Weights of convolutions have four
    dimensions, torch.optim.Muon refuses them, and so AdamW has them. The steps orthogonalise in
    bfloat16 as torch.optim.Muon does, whatever the parameter's dtype.

    Args:
        lr: Learning rate of matrices.
        momentum: Decay μ of the buffer, in [0, 1); 0 has no memory.
        nesterov: Whether to look ahead, as Nesterov's momentum does.
        weight_decay: λ, decoupled, of matrices; 0 for none.
        ns_steps: Number of Newton–Schulz iterations, from 1 to 99.
        ns_coefficients: The iteration's a, b, c.
        eps: ε of the iteration, keeps the quotient finite.
        adjust_lr: ``original`` or ``match_rms_adamw``: the second r.
        adamw: What updates everything that is no matrix.

    Raises:
        ValueError: An option lies outside its bounds.

    Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024,
    https://kellerjordan.github.io/posts/muon; Liu et al., Muon is Scalable for LLM Training, 2025,
    section 2.2, for weight decay and ``match_rms_adamw``.
    """

    lr: float
    momentum: float
    nesterov: bool
    weight_decay: float
    ns_steps: int
    ns_coefficients: Sequence[float]
    eps: float
    adjust_lr: str
    adamw: Adam

    slots: ClassVar[tuple[str, ...]] = ("momentum_buffer", *Adam.slots)
    accesses: ClassVar[int] = 5  # of a matrix

    def __post_init__(self) -> None:
        check_fraction(momentum=self.momentum)
        check_nonnegative(lr=self.lr, eps=self.eps, weight_decay=self.weight_decay)
        _check_iteration(self.ns_steps, self.ns_coefficients)
        if self.adjust_lr not in _ADJUSTMENTS:
            raise ValueError(f"rule.adjust_lr={self.adjust_lr}: choose {' or '.join(_ADJUSTMENTS)}")
        # A list, as YAML has it, would keep the rule from being hashed.
        object.__setattr__(self, "ns_coefficients", tuple(self.ns_coefficients))

    def amplified(self) -> Muon:
        return replace(
            self, lr=0.25, momentum=0.5, weight_decay=1.0, eps=32.0, adamw=self.adamw.amplified()
        )

    def with_lr(self, lr: float) -> Muon:
        """Return the same rule with another learning rate, AdamW's in proportion."""
        adamw = lr * (self.adamw.lr / self.lr) if self.lr else lr
        return replace(self, lr=lr, adamw=replace(self.adamw, lr=adamw))

    @property
    def element_wise(self) -> bool:
        return False

    def element_wise_at(self, shape: torch.Size) -> bool:
        return not _is_matrix(shape)

    def slots_of(self, shape: torch.Size) -> tuple[str, ...]:
        return ("momentum_buffer",) if _is_matrix(shape) else self.adamw.slots

    def accesses_of(self, shape: torch.Size) -> int:
        return self.accesses if _is_matrix(shape) else self.adamw.accesses

    def inner_dtype_of(self, shape: torch.Size) -> torch.dtype | None:
        return _ITERATION_DTYPE if _is_matrix(shape) else None

    def operations(self, shape: torch.Size) -> int:
        if not _is_matrix(shape):
            return 0
        rows, columns = shape
        return operations(rows, columns, self.ns_steps)

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if not _is_matrix(parameter.shape):
            return self.adamw.reference(parameter, gradient, slots, count)
        mu = self.momentum
        buffer = mu * slots["momentum_buffer"] + (1 - mu) * gradient
        direction = mu * buffer + (1 - mu) * gradient if self.nesterov else buffer
        update = orthogonalised(direction, *self._iteration)
        following = (1 - self._decay) * parameter - self._lr_of(parameter.shape) * update
        return following, {"momentum_buffer": buffer}

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        if not _is_matrix(parameter.shape):
            return self.adamw.step(parameter, gradient, slots, count)
        update = self._update(gradient, slots)
        if self._decay:
            parameter.mul_(1 - self._decay)
        parameter.add_(update, alpha=-self._lr_of(parameter.shape))

    def change(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> Tensor:
        if not _is_matrix(parameter.shape):
            return self.adamw.change(parameter, gradient, slots, count)
        update = self._update(gradient, slots)
        change = update.to(parameter.dtype).mul_(-self._lr_of(parameter.shape))
        return change.sub_(parameter, alpha=self._decay) if self._decay else change

    def _update(self, gradient: Tensor, slots: Slots) -> Tensor:
        """Advance the momentum; return what is subtracted, before the learning rate."""
        buffer = slots["momentum_buffer"].lerp_(gradient, 1 - self.momentum)
        direction = gradient.lerp(buffer, self.momentum) if self.nesterov else buffer
        return orthogonalise(direction.to(_ITERATION_DTYPE), *self._iteration)

    def step_list(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        matrices, directions = self._advance(parameters, gradients, slots, count)
        for parameter, direction in zip(matrices, directions, strict=True):
            update = orthogonalise(direction.to(_ITERATION_DTYPE), *self._iteration)
            parameter.add_(update, alpha=-self._lr_of(parameter.shape))

    def step_batched(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        matrices, directions = self._advance(parameters, gradients, slots, count)
        batches: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, matrix in enumerate(matrices):
            batches[tuple(sorted(matrix.shape))].append(index)
        for shape, members in batches.items():
            batch = matrices[0].new_empty((len(members), *shape), dtype=_ITERATION_DTYPE)
            torch._foreach_copy_(list(batch.unbind()), [_wide(directions[i]) for i in members])
            updates = orthogonalise_batch(batch, *self._iteration).unbind()
            for index, update in zip(members, updates, strict=True):
                matrix = matrices[index]
                _wide(matrix).add_(update, alpha=-self._lr_of(matrix.shape))

    def _advance(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Update what is no matrix; return the matrices, decayed, and the directions D of each."""
        pairs = list(zip(parameters, gradients, strict=True))
        matrices = [p for p, _ in pairs if _is_matrix(p.shape)]
        slopes = [g for p, g in pairs if _is_matrix(p.shape)]
        others = [p for p, _ in pairs if not _is_matrix(p.shape)]
        if others:
            rest = [g for p, g in pairs if not _is_matrix(p.shape)]
            self.adamw.step_list(others, rest, slots, count)
        if not matrices:
            return [], []
        buffers = slots["momentum_buffer"]
        torch._foreach_lerp_(buffers, slopes, 1 - self.momentum)
        if self._decay:
            torch._foreach_mul_(matrices, 1 - self._decay)
        if not self.nesterov:
            return matrices, buffers
        return matrices, list(torch._foreach_lerp(slopes, buffers, self.momentum))

    def optimizer(self, parameters: Sequence[Tensor], **implementation: Any) -> Optimizer:
        """Construct torch.optim.Muon for matrices, AdamW for the others, both where both are.

        torch.optim.Muon is a for-loop and has no keyword that says so: ``foreach=False`` asks
        nothing else of it.
        """
        if not hasattr(torch.optim, "Muon"):  # before PyTorch 2.9
            raise Unavailable("this PyTorch has no torch.optim.Muon")
        matrices = [p for p in parameters if _is_matrix(p.shape)]
        others = [p for p in parameters if not _is_matrix(p.shape)]
        parts: list[Optimizer] = []
        if matrices:
            asked = {name: value for name, value in implementation.items() if value is not False}
            parts.append(
                torch.optim.Muon(
                    matrices,
                    lr=self.lr,
                    weight_decay=self.weight_decay,
                    momentum=self.momentum,
                    nesterov=self.nesterov,
                    ns_coefficients=tuple(self.ns_coefficients),  # type: ignore[arg-type]
                    eps=self.eps,
                    ns_steps=self.ns_steps,
                    adjust_lr_fn=self.adjust_lr,
                    **asked,
                )
            )
        if others:
            parts.append(self.adamw.optimizer(others, **implementation))
        return parts[0] if len(parts) == 1 else SideBySide(parts)

    @property
    def _decay(self) -> float:
        """Part of a matrix that an update takes away, lr·λ."""
        return self.lr * self.weight_decay

    @property
    def _iteration(self) -> tuple[Sequence[float], int, float]:
        """What Newton–Schulz takes beside a matrix."""
        return self.ns_coefficients, self.ns_steps, self.eps

    def _lr_of(self, shape: torch.Size) -> float:
        """Return lr·r."""
        rows, columns = shape
        if self.adjust_lr == "original":
            return self.lr * math.sqrt(max(1.0, rows / columns))
        return self.lr * 0.2 * math.sqrt(max(rows, columns))


def _is_matrix(shape: torch.Size) -> bool:
    return len(shape) == 2


def _wide(matrix: Tensor) -> Tensor:
    """View a matrix with no more rows than columns."""
    return matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix


def _check_iteration(steps: object, coefficients: object) -> None:
    """Refuse what is no Newton–Schulz iteration."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= _MOST_STEPS:
        raise ValueError(f"rule.ns_steps={steps}: choose a whole number from 1 to {_MOST_STEPS}")
    given = list(coefficients) if isinstance(coefficients, Sequence) else []
    numbers = [c for c in given if isinstance(c, (int, float)) and math.isfinite(c)]
    if isinstance(coefficients, str) or len(given) != 3 or len(numbers) != 3:
        raise ValueError(f"rule.ns_coefficients={coefficients}: choose three numbers")
