"""What a rule, the mathematics of an update, gives to every strategy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

Slots: TypeAlias = Mapping[str, Tensor]
"""One parameter's state: tensor of the parameter's shape by torch.optim's own name for it."""

Count: TypeAlias = int | Tensor
"""Number of this update, from 1; a 0-dim tensor, float32 or wider, where a step may not ask the
host."""


Reference: TypeAlias = Callable[[Tensor, Tensor, Slots, int], tuple[Tensor, dict[str, Tensor]]]
"""One update, computed purely, as :meth:`Rule.reference` does."""


class Unavailable(Exception):
    """A rule does not offer what it was asked for; the text is the reason, as a cell shows it."""


class Rule(Protocol):
    """The mathematics of an update, composable with every strategy.

    Rules are frozen dataclasses that inherit from it and give ``reference`` and ``step``. The other
    forms of the update are as they are here where a rule, or PyTorch, does not have them: the
    strategies that need one are skipped with the reason.

    Attributes:
        lr: Learning rate, 0 or more: a schedule may begin or end at 0.
        slots: Names of the state tensors, as torch.optim names them; they start at zero.
        accesses: Memory accesses per element and update that no implementation can avoid:
            each of parameter, gradient and slots read once, parameter and slots written once.
            A rule whose slots depend on a tensor's shape gives ``slots_of`` and ``accesses_of``.
    """

    slots: ClassVar[tuple[str, ...]]
    accesses: ClassVar[int]
    lr: float

    @property
    def element_wise(self) -> bool:
        """Whether an element's update depends on that element of gradient and state alone.

        Only then may tensors be flattened, joined, cut, or compared at some of their elements.
        """
        return True

    def element_wise_at(self, shape: torch.Size) -> bool:
        """Say the same of parameters of one shape: a rule of matrices may have another for vectors.

        Args:
            shape: Of the parameter.
        """
        return self.element_wise

    def slots_of(self, shape: torch.Size) -> tuple[str, ...]:
        """Name the state tensors of one parameter.

        Args:
            shape: Of the parameter.

        Returns:
            Those of ``slots`` that it has, in their order.
        """
        return self.slots

    def accesses_of(self, shape: torch.Size) -> int:
        """Count the unavoidable memory accesses per element of one parameter.

        Args:
            shape: Of the parameter.

        Returns:
            The accesses, counted as in ``accesses``.
        """
        return self.accesses

    def inner_dtype_of(self, shape: torch.Size) -> torch.dtype | None:
        """Name the dtype that right implementations compute in, whatever the parameter's.

        Args:
            shape: Of the parameter.

        Returns:
            The narrowest dtype on the way from a gradient to the change; None for the parameter's.
        """
        return None

    def operations(self, shape: torch.Size) -> int:
        """Count the floating-point operations of one parameter's update.

        Args:
            shape: Of the parameter.

        Returns:
            Multiplications and additions; 0 where there are so few per element that memory traffic
            decides.
        """
        return 0

    def amplified(self) -> "Rule":
        """Give the rule with hyperparameters at which every term shows in any floating type.

        A strategy must carry the rule out for any, and is held against float64 at these and at its
        own. Decay rates are small, ε is large, weight decay takes away a good part: then what a
        mutant does differs by far more than rounding.

        Returns:
            A rule of the same kind; this one where nothing better is known.
        """
        return self

    def mutants(self) -> Mapping[str, Reference]:
        """List what else might be taken for the rule, beside what its fields tell.

        Returns:
            A ``reference`` by a name that says what is wrong with it.
        """
        return {}

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute one update purely, as the paper writes it; meant for float64.

        Args:
            parameter: Any shape, float64.
            gradient: Shape of ``parameter``, float64.
            slots: State before the update, float64.
            count: Number of this update, from 1.

        Returns:
            The parameter and the state after the update; the arguments are left alone.
        """
        ...

    def with_lr(self, lr: float) -> "Rule":
        """Return the same rule with another learning rate, as a schedule changes it between steps.

        Args:
            lr: Learning rate.

        Raises:
            ValueError: It lies outside the rule's bounds.
        """
        return replace(self, lr=lr)  # type: ignore[type-var]  # rules are dataclasses

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        """Update one tensor in place.

        Args:
            parameter: Any shape; written.
            gradient: Shape and dtype of ``parameter``; only read.
            slots: State of the parameter; written.
            count: Number of this update, from 1.
        """
        ...

    def change(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> Tensor:
        """Compute what is added to one tensor, out of place; the state advances in place.

        Args:
            parameter: Any shape; only read.
            gradient: Shape and dtype of ``parameter``; only read.
            slots: State of the parameter; written.
            count: Number of this update, from 1.

        Returns:
            The new value less the old one, freshly allocated.

        Raises:
            Unavailable: The rule does not offer it.
        """
        raise Unavailable(f"{type(self).__name__} has no change out of place")

    def step_list(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        """Update a list of tensors in place with ``torch._foreach_*``.

        Args:
            parameters: Tensors of one dtype and device; written.
            gradients: A gradient for each parameter; only read.
            slots: For each name a tensor per parameter that has it, in their order; written.
            count: Number of this update, from 1.

        Raises:
            Unavailable: The rule does not offer it.
        """
        raise Unavailable(f"{type(self).__name__} has no list step")

    def step_batched(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        """Update a list of tensors in place, those of one shape stacked into one computation.

        For rules whose work on one tensor is too small to fill a device; an element-wise rule's
        list step is no slower.

        Args:
            parameters: Tensors of one dtype and device; written.
            gradients: A gradient for each parameter; only read.
            slots: For each name a tensor per parameter that has it, in their order; written.
            count: Number of this update, from 1.

        Raises:
            Unavailable: The rule does not offer it.
        """
        raise Unavailable(f"{type(self).__name__} has no batched step")

    def step_fused(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        counts: list[Tensor],
    ) -> None:
        """Update a list of tensors in place with the fused kernel that torch.optim calls.

        Args:
            parameters: Tensors of one dtype and device; written.
            gradients: A gradient for each parameter; only read.
            slots: For each name a tensor per parameter that has it, in their order; written.
            counts: Number of updates so far, for each parameter: 0-dim, float32, on the
                parameters' device. A rule whose update depends on it advances it.

        Raises:
            Unavailable: There is no such kernel.
            RuntimeError: The kernel does not run on the parameters' device, or in their dtype.

        Source: ``_fused_*`` in ATen's native_functions.yaml, as torch.optim calls them.
        """
        raise Unavailable(f"PyTorch has no fused kernel for {type(self).__name__}")

    def optimizer(self, parameters: Sequence[Tensor], **implementation: Any) -> Optimizer:
        """Construct the torch.optim optimizer that means the same.

        Args:
            parameters: What it updates.
            implementation: ``foreach``, ``fused``, ``capturable`` as torch.optim takes them.

        Returns:
            The optimizer, before its first step.

        Raises:
            Unavailable: There is no such optimizer.
            TypeError: The optimizer does not take one of ``implementation``.
        """
        raise Unavailable(f"torch.optim has no {type(self).__name__}")


def check_nonnegative(**values: object) -> None:
    """Check that options are finite numbers of 0 or more, as torch.optim takes them.

    Args:
        values: Options by name.

    Raises:
        ValueError: One is not.
    """
    _check(values, lambda value: 0 <= value < 1e30, "0 or a positive number")


def check_positive(**values: object) -> None:
    """Check that options are positive finite numbers.

    Args:
        values: Options by name.

    Raises:
        ValueError: One is not.
    """
    _check(values, lambda value: 0 < value < 1e30, "a positive number")


def check_fraction(**values: object) -> None:
    """Check that options are numbers in [0, 1).

    Args:
        values: Options by name.

    Raises:
        ValueError: One is not.
    """
    _check(values, lambda value: 0 <= value < 1, "a number from 0 to below 1")


def _check(values: Mapping[str, object], within: Callable[[float], bool], choice: str) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not within(value):
            raise ValueError(f"rule.{name}={value}: choose {choice}")
