"""The list step captured in a CUDA graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy, columns, zero_slots
from gradbench.strategies.gathering import Gathering
from gradbench.strategies.probe import list_refusal


class CudaGraph(Strategy):
    """Capture the rule's list step once and replay it: one launch per update.

    The graph reads gradients at fixed addresses, those of ``.grad`` where it is there; what
    backward allocates anew is gathered before each replay. The count is a tensor on the device:
    a host number would be frozen into the graph, and with it the bias corrections. The learning
    rate is such a number. Every parameter must have a gradient.

    Source: documentation of torch.cuda.CUDAGraph, "CUDA Graphs" in CUDA semantics.
    """

    @property
    def copies(self) -> int:
        return 2  # the gradients it reads, and what the captured step allocates

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        if device.type != "cuda":
            return f"needs CUDA, the device is {device.type}"
        return list_refusal(rule)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        static = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        captured = _capture(rule, parameters, static, slots)
        gather = Gathering(parameters, static)

        def step() -> None:
            gather()
            captured.replay()

        def release() -> None:
            for parameter in parameters:
                parameter.grad = None

        def shown() -> list[dict[str, Tensor | int]]:
            return [{**row, "step": captured.count} for row in slots]

        return Binding(step, release, state=shown)


@dataclass(frozen=True)
class _Captured:
    """A graph, and what it reads and writes.

    A graph holds addresses, not tensors: where nobody holds these, a replay writes into memory that
    belongs to others by then, or to nobody.

    Args:
        graph: What is replayed.
        count: Number of replays so far, on the device.
        tensors: What else was there before the capture.
    """

    graph: torch.cuda.CUDAGraph
    count: Tensor
    tensors: tuple[Tensor, ...]

    def replay(self) -> None:
        """Carry out what was captured."""
        self.graph.replay()


def _capture(
    rule: Rule, parameters: Sequence[Tensor], gradients: list[Tensor], slots: Sequence[Slots]
) -> _Captured:
    """Capture the rule's list step, which is not carried out yet."""
    state = columns(rule, slots)
    count = torch.zeros((), dtype=torch.float64, device=parameters[0].device)
    by_shape = {parameter.shape: parameter for parameter in parameters}
    # One tensor has all kernels of an element-wise rule; another rule may choose them by shape.
    _warm_up(rule, [parameters[0]] if rule.element_wise else list(by_shape.values()))
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    # As torch.cuda.graph does it, which first gives all cached memory back to the device: taking
    # it again is slow, and each cell of each replicate captures.
    with torch.no_grad(), torch.cuda.stream(torch.cuda.Stream()):
        graph.capture_begin()
        try:
            count.add_(1)
            rule.step_list(list(parameters), gradients, state, count)
        finally:
            graph.capture_end()
    return _Captured(graph, count, (*parameters, *gradients, *chain(*state.values())))


@torch.no_grad()
def _warm_up(rule: Rule, parameters: Sequence[Tensor]) -> None:
    """Run the kernels on copies, on a side stream: the first run of a kernel cannot be captured."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        state = columns(rule, [zero_slots(rule, parameter) for parameter in parameters])
        count = torch.ones((), dtype=torch.float64, device=parameters[0].device)
        copies = [parameter.clone() for parameter in parameters]
        rule.step_list(copies, [torch.ones_like(copy) for copy in copies], state, count)
    torch.cuda.current_stream().wait_stream(stream)
