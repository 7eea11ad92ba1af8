"""Every way to update one parameter: gradbench's strategies and torch.optim's optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode

from gradbench.observing.observation import first_line
from gradbench.observing.optimizers import Variant, step_of, variants
from gradbench.observing.options import options
from gradbench.rules.base import Rule
from gradbench.strategies.base import Binding, Strategy, zero_slots


@dataclass(frozen=True)
class Update:
    """A way to update a parameter.

    Args:
        name: Unique.
        bind: Binds it to a parameter, before the first forward pass.
        in_backward: It registers a hook when bound, and its step does nothing.
        unsupported: Why it cannot run on this device; None where it can.
    """

    name: str
    bind: Callable[[Parameter], Binding]
    in_backward: bool = False
    unsupported: str | None = None


def strategy_updates(rule: Rule, device: torch.device) -> list[Update]:
    """List gradbench's strategies.

    Args:
        rule: What they carry out.
        device: Where.

    Returns:
        An update for each option of ``conf/strategy``.
    """
    strategies: dict[str, Strategy] = options("strategy")
    return [
        Update(
            name,
            _bind_strategy(strategy, rule),
            strategy.in_backward,
            strategy.supports(rule, device, torch.float32),
        )
        for name, strategy in strategies.items()
    ]


def _bind_strategy(strategy: Strategy, rule: Rule) -> Callable[[Parameter], Binding]:
    def bind(weight: Parameter) -> Binding:
        return strategy.bind(rule, [weight], [zero_slots(rule, weight)])

    return bind


def optimizer_updates(lr: float) -> list[Update]:
    """List the optimizers of torch.optim, each implementation with its default options.

    Args:
        lr: Learning rate.

    Returns:
        An update for each.
    """
    return [Update(variant.label, _bind_optimizer(variant, lr)) for variant in variants()]


def _bind_optimizer(variant: Variant, lr: float) -> Callable[[Parameter], Binding]:
    def bind(weight: Parameter) -> Binding:
        step = step_of(variant.build([weight], lr))

        def once() -> None:
            step()

        return Binding(once)

    return bind


@dataclass(frozen=True)
class Trait:
    """What shows when an update is carried out by itself, with no graph that could object.

    Args:
        refusal: The exception, where it does not take the parameter; None where it does.
        untracked: It goes through ``.data``, through an array that shares the parameter's memory,
            or replays a CUDA graph: the ways of writing that PyTorch documents as unseen by
            autograd.
        replays: It replays a CUDA graph.
    """

    refusal: str | None
    untracked: bool
    replays: bool = False


def try_out(update: Update, like: Tensor) -> Trait:
    """Carry out an update on a parameter of its own.

    Args:
        update: What to try.
        like: A tensor like the parameter.

    Returns:
        What showed.
    """
    weight = Parameter(like.detach().clone())
    # Compiled code shows no functions, so it runs as it is written (PyTorch 2.6).
    stance: Any = getattr(torch.compiler, "set_stance", None)
    eager = stance("force_eager") if stance else nullcontext()
    with _Watch() as watch, watch.of_replays(), eager:
        try:
            binding = update.bind(weight)
            if update.in_backward:
                weight.backward(torch.ones_like(weight))
            else:
                weight.grad = torch.ones_like(weight)
                binding.step()
            binding.release()
        except Exception as error:
            return Trait(first_line(error), watch.untracked, watch.replays)
    return Trait(None, watch.untracked, watch.replays)


class _Watch(TorchFunctionMode):
    """Sees every function of tensors that is called, and every replay of a CUDA graph."""

    def __init__(self) -> None:
        super().__init__()
        self.untracked = self.replays = False

    @contextmanager
    def of_replays(self) -> Iterator[None]:
        """Notice replays: they call no function of tensors."""
        replay = torch.cuda.CUDAGraph.replay

        def noticed(graph: torch.cuda.CUDAGraph) -> None:
            self.untracked = self.replays = True
            replay(graph)

        torch.cuda.CUDAGraph.replay = noticed  # type: ignore[assignment,method-assign]
        try:
            yield
        finally:
            torch.cuda.CUDAGraph.replay = replay  # type: ignore[method-assign]

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        data: Any = torch.Tensor.data
        if function is torch.Tensor.numpy or getattr(function, "__self__", None) is data:
            self.untracked = True
        return function(*args, **(kwargs or {}))
