"""The isolated protocol: ``update`` and ``zero`` alone, interleaved, on fresh replicates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradbench.devices.base import Counts, Device
from gradbench.machine.contention import Contention, Watch
from gradbench.rules.base import Rule
from gradbench.statistics.estimates import Estimates, estimate
from gradbench.statistics.intervals import FEWEST_PRECISE
from gradbench.statistics.sample import Phase, Sample
from gradbench.timing.bandwidth import BandwidthControl
from gradbench.timing.binding import Bound
from gradbench.timing.compilation import SETTLING_CALLS, Compilation
from gradbench.timing.compute import ComputeControl
from gradbench.timing.contender import Contender
from gradbench.timing.counting import count_updates
from gradbench.timing.losses import Losses
from gradbench.timing.sampling import (
    Arm,
    ArmRaised,
    Grouping,
    Rounds,
    choose_calls,
    empty_calls,
    naming,
    quiet_interpreter,
)
from gradbench.verify.tensors import Tensors


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
        losses: Cells that raised.
    """

    samples: list[Sample] = field(default_factory=list)
    estimates: Estimates | None = None
    rounds: int = 0
    replicates: int = 0
    stopped_by: str = "budget"
    sampling_s: float = 0.0
    counts: dict[str, Counts] = field(default_factory=dict)
    contention: Contention | None = None
    losses: Losses = field(default_factory=Losses)


def measure_isolated(
    device: Device,
    rule: Rule,
    allocate: Callable[[], Tensors],
    contenders: Sequence[Contender],
    control: BandwidthControl,
    settings: Isolation,
    order: np.random.Generator,
    progress: Callable[[float], None],
    compute: ComputeControl | None = None,
    compilation: Compilation | None = None,
) -> IsolatedResult:
    """Time updates and zeroings until they are known precisely enough or the budget is spent.

    Args:
        device: Where.
        rule: What the strategies carry out.
        allocate: Makes a replicate's tensors.
        contenders: Verified cells, none that updates in backward. Without the baseline there are
            times, but no speedups.
        control: The bandwidth control.
        settings: When to stop.
        order: Source of the random order within rounds.
        progress: Told the fraction done, in [0, 1].
        compute: The compute control of a rule that has operations.
        compilation: Told whose call it was that compiled; updates that it has failed have no
            samples.

    Returns:
        Samples and estimates; a cell that raised is lost, and the replicate begun anew without it.
    """
    compilation = compilation or Compilation()
    result = IsolatedResult()
    baseline = next((c.cell.name for c in contenders if c.cell.role == "baseline"), "")
    groupings: dict[tuple[str, Phase], Grouping] = {}
    start = compilation.clock()
    watch = Watch(device.torch_device)
    with quiet_interpreter():
        while contenders := [c for c in contenders if c.cell.name not in result.losses]:
            bound = Bound(device, rule, allocate(), control, compute, compilation)
            try:
                bound.bind(contenders)
                rounds = _rounds(
                    device, bound.arms, groupings, settings, order, result, compilation
                )
                slot_end = settings.budget_s * (result.replicates + 1) / settings.replicates
                samples: list[Sample] = []
                round_ = 0
                while round_ < settings.min_rounds or compilation.clock() - start < slot_end:
                    samples += rounds.take(result.replicates, round_)
                    round_ += 1
                    progress(min((compilation.clock() - start) / max(settings.budget_s, 1e-9), 1.0))
            except ArmRaised as raised:  # what it wrote, others would read: on fresh tensors again
                _lose(raised, contenders, result)
                bound.release(result.losses)
                del bound
                continue
            watch.look()
            result.samples += samples
            result.rounds += round_
            result.replicates += 1
            result.sampling_s += rounds.sampling_s
            result.samples = [s for s in result.samples if not _failed(s, compilation)]
            spent = compilation.clock() - start >= settings.budget_s
            if result.replicates >= settings.min_replicates and (
                _is_precise(result, watch, baseline, contenders, settings, compilation) or spent
            ):
                # Last: CUDA's profiler, once used, makes every later launch slower.
                result.counts, counted_s = count_updates(
                    device, contenders, bound.arms[1:], result.losses
                )
                result.sampling_s += counted_s
                bound.release(result.losses)
                return result
            bound.release(result.losses)
            del bound, rounds  # before the next replicate is allocated, not after
    result.estimates = None  # of cells that are lost
    return result


def _rounds(
    device: Device,
    arms: Sequence[Arm],
    groupings: dict[tuple[str, Phase], Grouping],
    settings: Isolation,
    order: np.random.Generator,
    result: IsolatedResult,
    compilation: Compilation,
) -> Rounds:
    """Prepare to sample a replicate's arms; how, is found out of those that are new."""
    touched = not settings.cold
    for arm in arms:
        key = (arm.cell, arm.phase)
        if key in groupings:
            touched = False
        elif settings.cold:
            groupings[key] = Grouping(1, warm_up=False, spent_s=0.0)
        else:
            with naming(*key, arm.phase):
                groupings[key] = _chosen(device, arm, settings.sample_s, compilation)
            result.sampling_s += groupings[key].spent_s
    chosen = [groupings[arm.cell, arm.phase] for arm in arms]
    empty = empty_calls(device, arms, chosen)
    return Rounds(device, arms, chosen, order, touched, empty, compilation=compilation)


def _lose(raised: ArmRaised, contenders: Sequence[Contender], result: IsolatedResult) -> None:
    """Lose the cell that raised; all cells of a zeroing that did."""
    error = raised.__cause__
    assert isinstance(error, Exception)
    by_name = {contender.cell.name: contender.cell for contender in contenders}
    if raised.cell not in by_name:  # the control: without it nothing else can be judged
        raise error
    zeroing = by_name[raised.cell].zeroing
    lost = [n for n, c in by_name.items() if raised.phase == "zero" and c.zeroing == zeroing]
    result.losses.add(error, f"timing: {raised.doing}", *(lost or [raised.cell]))
    result.samples = [sample for sample in result.samples if sample.cell not in result.losses]


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
