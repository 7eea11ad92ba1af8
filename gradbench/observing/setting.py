"""An operation on an input, eager or compiled, and the gradients that are right for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter

from gradbench.observing.observation import first_line

Function = Callable[[Tensor, Tensor], Tensor]

EAGER = "eager"


@dataclass(frozen=True)
class Operation:
    """A function of a weight and of something upstream.

    Args:
        name: Its name.
        weight: Shape of the weight.
        upstream: Shape of what lies upstream; no elements where nothing there can require grad.
        function: Computes the output from the two.
    """

    name: str
    weight: tuple[int, ...]
    upstream: tuple[int, ...]
    function: Function


def loss(output: Tensor) -> Tensor:
    """Compare an output with a fixed target, by the mean squared error.

    It is not linear, so that every gradient depends on the weights.

    Args:
        output: Any shape.

    Returns:
        The loss, 0-dim.
    """
    target = torch.linspace(-1, 1, output.numel(), device=output.device, dtype=output.dtype)
    return F.mse_loss(output, target.view_as(output))


@dataclass(frozen=True)
class Setting:
    """An operation, on an input that requires grad or not, eager or compiled.

    Args:
        operation: What is computed.
        input_requires_grad: Whether its input requires grad.
        mode: ``eager``, or a backend of ``torch.compile``.
        forward: The operation's function in this mode.
        weight: The weight to start from.
        upstream: What lies upstream.
        unavailable: Why it does not run here; None where it does.
    """

    operation: Operation
    input_requires_grad: bool
    mode: str
    forward: Function
    weight: Tensor
    upstream: Tensor
    unavailable: str | None = None

    @property
    def name(self) -> str:
        """Such as ``linear_later / input requires grad / eager``."""
        grad = "input requires grad" if self.input_requires_grad else "plain input"
        return f"{self.operation.name} / {grad} / {self.mode}"

    def leaves(self) -> tuple[Parameter, Tensor]:
        """Copy the weight and what lies upstream, for one training step.

        Returns:
            Two leaves without gradients.
        """
        upstream = self.upstream.clone().requires_grad_(self.input_requires_grad)
        return Parameter(self.weight.clone()), upstream

    def gradients_at(self, weight: Tensor) -> list[Tensor]:
        """Compute gradients independently: eager, at float64, on fresh copies.

        Args:
            weight: The weights at which.

        Returns:
            The weight's gradient and, where the input requires grad, the one upstream; float64.
        """
        leaves = [weight.detach().double().requires_grad_()]
        upstream = self.upstream.double()
        if self.input_requires_grad:
            leaves.append(upstream.requires_grad_())
        return list(torch.autograd.grad(loss(self.operation.function(leaves[0], upstream)), leaves))


def settings_of(
    operation: Operation, backends: Mapping[str, bool], device: torch.device
) -> Iterator[Setting]:
    """Put an operation into every setting.

    Args:
        operation: What is computed.
        backends: Backends of ``torch.compile``, and whether the operation is compiled with them.
        device: Where.

    Yields:
        Eager settings, then compiled ones; the values are the same at each call.
    """
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(operation.weight, generator=generator).to(device)
    upstream = torch.randn(operation.upstream, generator=generator).to(device)
    eager = Setting(operation, False, EAGER, operation.function, weight, upstream)
    yield eager
    if not upstream.numel():
        integers = "its input is made of integers, which cannot require grad"
        yield replace(eager, input_requires_grad=True, unavailable=integers)
    else:
        yield replace(eager, input_requires_grad=True)
    for backend in (name for name, chosen in backends.items() if chosen):
        forward, refusal = _compile(operation.function, backend)
        for grad in (False, True) if upstream.numel() else (False,):
            setting = replace(eager, input_requires_grad=grad, mode=backend, forward=forward)
            yield replace(setting, unavailable=refusal or _refusal(setting))


def _compile(function: Function, backend: str) -> tuple[Function, str | None]:
    """Compile a function; return it and, where the backend is not there, the exception."""
    try:
        # A silent fall-back to eager mode would be mistaken for what was compiled.
        return torch.compile(function, backend=backend, fullgraph=True), None
    except Exception as error:
        return function, first_line(error)


def _refusal(setting: Setting) -> str | None:
    """Try a setting; return the exception."""
    try:
        loss(setting.forward(*setting.leaves())).backward()
    except Exception as error:
        return first_line(error)
    return None
