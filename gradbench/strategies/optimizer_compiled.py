"""``optimizer.step()`` of torch.optim under ``torch.compile``, all parameters in one graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots, Unavailable
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.functional import FunctionalCall, functional_call, functional_refusal
from gradbench.strategies.probe import compiler_missing, optimizer_refusal
from gradbench.strategies.state import start_state


@dataclass(frozen=True)
class OptimizerCompiled(Strategy):
    """The whole step compiled, as PyTorch's recipe "Compiling the optimizer" does.

    The graph of ``torch.compile(optimizer.step)`` belongs to one optimizer's tensors, and others
    are compiled anew. What is compiled here is the function that ``step`` calls, with lists of
    tensors: the same kernels, for any tensors of these shapes. As under the recipe the step count
    is a tensor on the device (``capturable``), and so is the learning rate a tensor, so that
    another one does not compile anew.

    Args:
        foreach: Which implementation is compiled; None is PyTorch's default.
        most_tensors: With more than these the strategy does not run, since compiling may take
            minutes; None is no limit.

    Source: PyTorch recipes, "(beta) Compiling the optimizer with torch.compile" and "Running the
    compiled optimizer with an LR scheduler".
    """

    foreach: bool | None = None
    most_tensors: int | None = None

    @property
    def implementation(self) -> dict[str, bool]:
        """The keywords given to torch.optim."""
        return {} if self.foreach is None else {"foreach": self.foreach}

    @property
    def shapes_compiled(self) -> bool:
        return True

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        refused = optimizer_refusal(rule, device, dtype, self.implementation)
        missing = refused or compiler_missing(device)
        if missing is not None:
            return missing
        both = [Parameter(torch.zeros(shape, dtype=dtype)) for shape in ((2, 2), (2,))]
        return functional_refusal(rule.optimizer(both, **self.implementation))

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        if self.most_tensors is not None and len(parameters) > self.most_tensors:
            raise Unavailable(
                f"{len(parameters)} tensors in one graph may take minutes to compile: "
                f"strategy.optimizer_compiled.most_tensors is {self.most_tensors}"
            )
        call = self._call(rule, parameters, slots)
        compiled = _compile(call.function)
        _, _, *state = call.lists
        keywords = dict(call.keywords)

        @torch.no_grad()
        def step() -> None:
            updated, gradients, kept = list(parameters), [p.grad for p in parameters], state
            if any(gradient is None for gradient in gradients):  # as step() leaves those alone
                there = [index for index, gradient in enumerate(gradients) if gradient is not None]
                updated, gradients = _pick(updated, there), _pick(gradients, there)
                kept = [_pick(each, there) for each in state]
            compiled(updated, gradients, *kept, **keywords)

        def set_lr(lr: float) -> None:
            keywords["lr"].fill_(lr)

        return Binding(step, set_lr=set_lr)

    def _call(
        self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]
    ) -> FunctionalCall:
        """See what a step calls; parameters without a gradient are in its lists, too."""
        standing = [Parameter(parameter.detach()) for parameter in parameters]
        for parameter in standing:
            parameter.grad = parameter.detach()
        optimizer = rule.optimizer(standing, **self.implementation)
        start_state(optimizer, standing, slots, count_on_device=True)
        for group in optimizer.param_groups:
            if "capturable" in group:  # torch.compile sets it, too
                group["capturable"] = True
            group["lr"] = learning_rate(group["lr"], standing[0].dtype)
        return functional_call(optimizer)


def learning_rate(lr: float, dtype: torch.dtype) -> Tensor:
    """Make a learning rate that may change without another graph.

    Args:
        lr: Its value.
        dtype: Of the parameters.

    Returns:
        A 0-dim tensor on the host, float32 or wider.
    """
    return torch.tensor(lr, dtype=torch.promote_types(dtype, torch.float32))


@lru_cache
def _compile(function: Callable[..., None]) -> Callable[..., None]:
    """Compile; kept, so that a block compiles once for all its cells and replicates."""
    # Now, so that its seconds are not taken for compiling.
    import gradbench.strategies.compiler  # noqa: F401

    # Sizes of its own for each graph, as a program has that updates one model.
    return torch.compile(function, dynamic=False)


def _pick(items: list[Any], indices: Sequence[int]) -> list[Any]:
    """Pick items of a list; of an empty one, none."""
    return [items[index] for index in indices] if items else []
