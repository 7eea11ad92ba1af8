"""The isolated protocol: ``update`` and ``zero`` alone, interleaved, on fresh replicates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.devices.base import Counts, Device
from gradbench.machine.contention import Contention, Watch
from gradbench.rules.base import Rule
from gradbench.statistics.estimates import Estimates, estimate
from gradbench.statistics.intervals import FEWEST_PRECISE
from gradbench.statistics.sample import Sample
from gradbench.strategies.base import Strategy
from gradbench.timing.bandwidth import BandwidthControl
from gradbench.timing.compilation import SETTLING_CALLS, Compilation
from gradbench.timing.contender import Contender
from gradbench.timing.sampling import (
    Arm,
    Grouping,
    Rounds,
    choose_calls,
    empty_calls,
    quiet_interpreter,
)
from gradbench.verify.tensors import Tensors
from gradbench.zeroing.base import Zeroing


@dataclass(frozen=True)
class Isolation:
    """How the isolated protocol runs.

    Args:
        budget_s: Seconds it may take.
        precision: Relative half-width of every speedup's interval at which it stops.
        sample_s: Shortest duration of a sample, in seconds.
        replicates: Parts the budget is divided into, each on fresh allocations.
        min_replicates: Replicates taken whatever the budget.
        min_rounds: Rounds taken in each of them whatever the budget.
        cold: The device empties the caches before each call: a sample is one, without another
            before it.
    """

    budget_s: float
    precision: float
    sample_s: float
    replicates: int
    min_replicates: int
    min_rounds: int = 1
    cold: bool = False


@dataclass
class IsolatedResult:
    """What the isolated protocol measured.

    Args:
        samples: All samples.
        estimates: What they say.
        rounds: Number of rounds over all replicates.
        replicates: Number of replicates.
        stopped_by: ``precision`` or ``budget``.
        sampling_s: Seconds inside timed and untimed calls, the counted ones among them.
        counts: What one update does, by cell.
        contention: What the machine was shared with meanwhile.
    """

    samples: list[Sample] = field(default_factory=list)
    estimates: Estimates | None = None
    rounds: int = 0
    replicates: int = 0
    stopped_by: str = "budget"
    sampling_s: float = 0.0
    counts: dict[str, Counts] = field(default_factory=dict)
    contention: Contention | None = None


def measure_isolated(
    device: Device,
    rule: Rule,
    allocate: Callable[[], Tensors],
    contenders: Sequence[Contender],
    control: BandwidthControl,
    settings: Isolation,
    order: np.random.Generator,
    progress: Callable[[float], None],
    compilation: Compilation | None = None,
) -> IsolatedResult:
    """Time updates and zeroings until they are known precisely enough or the budget is spent.

    Args:
        device: Where.
        rule: What the strategies carry out.
        allocate: Makes a replicate's tensors.
        contenders: Verified cells, baseline and twin among them, none that updates in backward.
        control: The bandwidth control.
        settings: When to stop.
        order: Source of the random order within rounds.
        progress: Told the fraction done, in [0, 1].
        compilation: Told whose call it was that compiled; updates that it has failed have no
            samples.

    Returns:
        Samples and estimates.
    """
    compilation = compilation or Compilation()
    result = IsolatedResult()
    baseline = next(c.cell.name for c in contenders if c.cell.role == "baseline")
    groupings: list[Grouping] = []
    start = compilation.clock()
    watch = Watch(device.torch_device)
    with quiet_interpreter():
        while True:
            arms, release = _arms(device, rule, allocate(), contenders, control, compilation)
            if not groupings:
                groupings = [
                    Grouping(1, warm_up=False, spent_s=0.0)
                    if settings.cold
                    else _chosen(device, arm, settings.sample_s, compilation)
                    for arm in arms
                ]
                result.sampling_s += sum(grouping.spent_s for grouping in groupings)
            touched = result.replicates == 0 and not settings.cold
            empty = empty_calls(device, arms, groupings)
            rounds = Rounds(device, arms, groupings, order, touched, empty, compilation=compilation)
            slot_end = settings.budget_s * (result.replicates + 1) / settings.replicates
            round_ = 0
            while round_ < settings.min_rounds or compilation.clock() - start < slot_end:
                result.samples += rounds.take(result.replicates, round_)
                round_ += 1
                progress(min((compilation.clock() - start) / max(settings.budget_s, 1e-9), 1.0))
            watch.look()
            result.rounds += round_
            result.replicates += 1
            result.sampling_s += rounds.sampling_s
            result.samples = [s for s in result.samples if not _failed(s, compilation)]
            spent = compilation.clock() - start >= settings.budget_s
            if result.replicates >= settings.min_replicates and (
                _is_precise(result, watch, baseline, contenders, settings, compilation) or spent
            ):
                # Last: CUDA's profiler, once used, makes every later launch slower.
                result.counts, counted_s = _count(device, contenders, arms[1:])
                result.sampling_s += counted_s
                release()
                return result
            release()
            del arms, release, rounds  # before the next replicate is allocated, not after


def _chosen(device: Device, arm: Arm, shortest_s: float, compilation: Compilation) -> Grouping:
    """Find how many calls make a sample, once the first ones have compiled what they need."""
    for _ in range(1 + SETTLING_CALLS):
        grouping = choose_calls(device, arm, shortest_s)
        if not compilation.credit(arm.cell):
            break
    return grouping


def _is_precise(
    result: IsolatedResult,
    watch: Watch,
    baseline: str,
    contenders: Sequence[Contender],
    settings: Isolation,
    compilation: Compilation,
) -> bool:
    """Estimate from the samples so far, and say whether that is as precise as was asked for."""
    known = _estimate(result.samples, baseline)
    result.contention = watch.end(switched=known.switched, slow=known.slow)
    busy = result.contention.reason is not None
    result.estimates = _estimate(result.samples, baseline, busy=True) if busy else known
    # Beside others, replicates that agree may only have had the same neighbour.
    precise = not busy and result.replicates >= FEWEST_PRECISE
    names = [c.cell.name for c in contenders if c.cell.name not in compilation.failed]
    if precise and all(known.converged(name, settings.precision) for name in names):
        result.stopped_by = "precision"
        return True
    return False


def _failed(sample: Sample, compilation: Compilation) -> bool:
    return sample.phase == "update" and sample.cell in compilation.failed


def _estimate(samples: Sequence[Sample], baseline: str, *, busy: bool = False) -> Estimates:
    return estimate(samples, baseline=baseline, twin="twin", control="bandwidth", busy=busy)


def _arms(
    device: Device,
    rule: Rule,
    tensors: Tensors,
    contenders: Sequence[Contender],
    control: BandwidthControl,
    compilation: Compilation,
) -> tuple[list[Arm], Callable[[], None]]:
    """Bind every contender and zeroing to one replicate; return the arms and their release."""
    arms = [Arm("bandwidth", "update", control.allocate(device.torch_device))]
    releases = []
    zeroings: dict[str, tuple[str, Zeroing]] = {}
    for contender in contenders:
        step, release = bind_with_gradients(contender.strategy, contender.zeroing, rule, tensors)
        compilation.credit(contender.cell.name)
        arms.append(Arm(contender.cell.name, "update", step))
        releases.append(release)
        zeroings.setdefault(contender.cell.zeroing, (contender.cell.name, contender.zeroing))
    # Zeroings write elsewhere: zeros in the shared gradients would let the state decay into
    # subnormal numbers, and those are slow.
    spent = [torch.zeros_like(gradient) for gradient in tensors.gradients]
    arms += [_zero_arm(name, zeroing, tensors, spent) for name, zeroing in zeroings.values()]

    def release_all() -> None:
        for release in releases:
            release()

    return arms, release_all


def _count(
    device: Device, contenders: Sequence[Contender], arms: Sequence[Arm]
) -> tuple[dict[str, Counts], float]:
    """Count what updates do, once for each strategy and fate of the gradients.

    Returns the counts by cell, and the seconds inside the counted calls.
    """
    known: dict[tuple[str, bool], Counts] = {}
    by_cell = {}
    spent_s = 0.0

    def counted(call: Callable[[], object]) -> None:
        nonlocal spent_s
        start = time.perf_counter()
        call()
        spent_s += time.perf_counter() - start

    for contender, arm in zip(contenders, arms, strict=False):  # the zeroings' arms come after
        key = (contender.cell.strategy, contender.zeroing.releases)
        if key not in known:
            known[key] = device.count(partial(counted, arm.call))
        by_cell[contender.cell.name] = known[key]
    return by_cell, spent_s


def bind_with_gradients(
    strategy: Strategy, zeroing: Zeroing, rule: Rule, tensors: Tensors
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Bind a strategy to parameters whose gradients are as its zeroing and backward leave them.

    Args:
        strategy: What to bind.
        zeroing: Where it releases gradients, they are foreign to the strategy's own memory.
        rule: What the strategy carries out.
        tensors: What it is carried out on.

    Returns:
        The step and the release.
    """
    bound = tensors.flat if strategy.flattens else tensors
    parameters = bound.parameters()
    if strategy.flattens:
        for parameter, gradient in zip(parameters, bound.gradients, strict=True):
            parameter.grad = gradient
    binding = strategy.bind(rule, parameters, bound.slots)
    for parameter, gradient in zip(parameters, tensors.gradients, strict=True):
        if zeroing.releases or parameter.grad is None:
            parameter.grad = gradient
        else:
            parameter.grad.copy_(gradient)
    return binding.step, binding.release


def _zero_arm(name: str, zeroing: Zeroing, tensors: Tensors, spent: Sequence[Tensor]) -> Arm:
    """Make the arm of a zeroing on gradients of its own."""
    parameters = [Parameter(value) for value in tensors.values]

    def attach_copies() -> None:
        for parameter, gradient in zip(parameters, spent, strict=True):
            # Nobody else holds them: giving memory back is part of what releasing costs.
            parameter.grad = gradient.clone()

    clear = zeroing.bind(parameters)
    if zeroing.releases:
        return Arm(name, "zero", clear, restore=attach_copies)
    for parameter, gradient in zip(parameters, spent, strict=True):
        parameter.grad = gradient
    return Arm(name, "zero", clear)
