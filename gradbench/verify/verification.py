"""Right before fast: a cell takes updates from known gradients and is held against float64."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.strategies.base import Strategy
from gradbench.verify.deviation import Deviation
from gradbench.verify.ulps import computed_unit
from gradbench.verify.verifiable import Verifiable
from gradbench.zeroing.base import Zeroing


@dataclass(frozen=True)
class Verdict:
    """What verification found.

    Args:
        reason: What is wrong; None where the cell is right.
        deviation: Of the parameters, after the update that was farthest off; None of an approximate
            strategy, which is not held to the last bit.
        float32_count: Whether the values are those of a step count in float32.
        indistinguishable: Mutants of the rule that would not have been told from it.
        step_s: Seconds inside each update. Some strategies set themselves up in the first one; the
            last one is a first guess of what an update takes.
        elements: Elements that were updated and checked.
    """

    reason: str | None
    deviation: Deviation | None
    float32_count: bool
    indistinguishable: tuple[str, ...]
    step_s: list[float]
    elements: int


def backward(parameters: Sequence[Parameter], gradients: Sequence[Tensor], *, keep: bool) -> None:
    """Let autograd accumulate known gradients, hooks and all.

    Args:
        parameters: Leaves.
        gradients: What arrives at each.
        keep: Leave ``gradients`` alone; otherwise autograd takes them for its own where ``.grad``
            is None, as it does with what a real backward pass computes.
    """
    outputs = [parameter.view_as(parameter) for parameter in parameters]
    arriving = [gradient.clone() if keep else gradient for gradient in gradients]
    torch.autograd.backward(outputs, arriving)


def verify(strategy: Strategy, zeroing: Zeroing, verifiable: Verifiable) -> Verdict:
    """Take updates from known gradients and compare with the rule's float64 reference.

    Checks every element after every update, the state where the strategy keeps it in the rule's
    slots, that gradients are bitwise what backward left, and that nothing next to a parameter was
    written.

    Args:
        strategy: What to verify.
        zeroing: Runs after every update; one that does not clear shows in the gradients.
        verifiable: What it is carried out on; reset before, not after.

    Returns:
        The verdict.
    """
    verifiable.reset()
    parameters = verifiable.tensors.parameters()
    binding = strategy.bind(verifiable.rule, parameters, verifiable.slots)
    try:
        clear = zeroing.bind(parameters)
        exact = strategy.approximation is None
        judge = _Judge(verifiable, zeroing.accumulates)
        step_s = []
        for update in range(verifiable.updates):
            verifiable.arrive(update)
            backward(parameters, verifiable.arriving, keep=not zeroing.releases)
            _finish(verifiable.device)
            start = time.perf_counter()
            binding.step()
            _finish(verifiable.device)
            step_s.append(time.perf_counter() - start)
            if exact:
                judge.look(parameters, update)
            judge.look_at_gradients(parameters, update)
            clear()
        if exact:
            judge.look_at_state(verifiable.slots if binding.state is None else binding.state())
    finally:
        binding.release()
    if not verifiable.tensors.guards_intact():
        judge.say("memory next to a parameter was written")
    return Verdict(
        judge.reason,
        judge.deviation if exact else None,
        judge.float32_count,
        verifiable.indistinguishable(judge.float32_count) if exact else (),
        step_s,
        verifiable.tensors.elements,
    )


class _Judge:
    """What one cell has done so far, held against what is expected."""

    def __init__(self, verifiable: Verifiable, accumulates: bool) -> None:
        self._verifiable, self._accumulates = verifiable, accumulates
        self.reason: str | None = None
        self.deviation = Deviation()
        self.float32_count = False

    def say(self, reason: str) -> None:
        """Note what is wrong; what was seen first counts."""
        self.reason = self.reason or reason

    def look(self, parameters: Sequence[Parameter], update: int) -> None:
        """Compare the parameters after an update."""
        found = self._deviation(parameters, update)
        if found.excess >= self.deviation.excess:
            self.deviation = found
        if found.excess > 1 and found.unwritten == found.outside:
            whole = self._verifiable.tensors.elements
            self.say(f"{found.unwritten} of {whole} elements were never written")
        elif found.excess > 1:
            self.say(f"values are {self._off(found)} after {update + 1} updates")

    def look_at_gradients(self, parameters: Sequence[Parameter], update: int) -> None:
        """Compare the gradients after an update."""
        intact = self._verifiable.gradients_intact
        if not intact(parameters, update, accumulates=self._accumulates):
            self.say("the update or the zeroing changed .grad: it is not what backward left")

    def look_at_state(self, shown: Sequence[Mapping[str, Tensor | int]]) -> None:
        """Compare the state after the last update, where there is any."""
        last, nothing = self._verifiable.updates - 1, torch.empty(0)
        for name in self._verifiable.rule.slots:
            tensors = [torch.as_tensor(row.get(name, nothing)) for row in shown]
            if any(bool(tensor.any()) for tensor in tensors):  # zero or absent: kept elsewhere
                found = self._deviation(tensors, last, name)
                if found.excess > 1:
                    self.say(f"{name} is {self._off(found)} after {last + 1} updates")

    def _deviation(
        self, tensors: Sequence[Tensor], update: int, slot: str | None = None
    ) -> Deviation:
        """Compare, with the tolerance of a float32 count where nothing less explains it."""
        found = Deviation(excess=torch.inf)
        for float32_count in (False, True)[self.float32_count :]:
            found = self._verifiable.deviation(
                tensors,
                update,
                accumulates=self._accumulates,
                float32_count=float32_count,
                slot=slot,
            )
            if found.excess <= 1:
                self.float32_count = float32_count
                break
        return found

    def _off(self, deviation: Deviation) -> str:
        """Say how far values are off, in ulps of what the rule computes in."""
        values = self._verifiable.tensors.values
        shapes = [value.shape for value in values]
        unit, of = computed_unit(self._verifiable.rule, shapes, values[0].dtype)
        allowed = deviation.tolerance_ulps / unit
        return f"off by {deviation.ulps / unit:.3g} ulp{of} (at most {allowed:.3g})"


def _finish(device: torch.device) -> None:
    """Wait for what a device still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
