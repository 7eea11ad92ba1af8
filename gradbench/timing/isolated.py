"""The isolated protocol: ``update`` and ``zero`` alone, interleaved, each replicate elsewhere."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradbench.devices.base import Device
from gradbench.machine.contention import Watch
from gradbench.rules.base import Rule
from gradbench.statistics.estimates import estimate, estimate_grids
from gradbench.statistics.intervals import FEWEST_RANKED
from gradbench.statistics.sample import Phase, Sample
from gradbench.statistics.selection import Grid, Key, control_waits_for_host, grids_of, stacked
from gradbench.strategies.flattening import Empty
from gradbench.timing.arena import Arena
from gradbench.timing.arms import (
    LONGEST_SAMPLE,
    Arm,
    ArmRaised,
    Grouping,
    choose_calls,
    naming,
    with_equal_calls,
)
from gradbench.timing.binding import Bound, Control
from gradbench.timing.compilation import SETTLING_CALLS, Compilation
from gradbench.timing.contender import Contender
from gradbench.timing.isolation import FIRST_LOOK, IsolatedResult, Isolation
from gradbench.timing.processors import Processors
from gradbench.timing.sampling import Rounds, empty_calls, quiet_interpreter
from gradbench.verify.tensors import Tensors

_UNCACHED_BYTES = 1 << 29
"""Tensors that take so much leave nothing of themselves in any cache, so that no untimed call need
go before a sample."""

_SETTLED, _SETTLED_REPLICATES = 1.25, 2
"""Where the first call after a binding took at most so many times as long as the next, in so many
replicates, it sets nothing up, and is a sample like any other."""

_LONGEST = 3
"""Times as many replicates as must be are taken at most where the noise floor is too high."""

_LONG_ZEROINGS = 3
"""Replicates in which a zeroing takes part whose gradients take long to put back."""


def measure_isolated(
    device: Device,
    rule: Rule,
    allocate: Callable[[Empty], Tensors],
    contenders: Sequence[Contender],
    controls: Mapping[str, Control],
    settings: Isolation,
    order: np.random.Generator,
    progress: Callable[[float], None],
    compilation: Compilation | None = None,
) -> IsolatedResult:
    """Time updates and zeroings until they are known precisely enough or the budget is spent.

    A cell that is certainly slower than the fastest is left alone with the interval it has: as soon
    as that is within the margin and from enough replicates, or at once if time is short. Its time
    goes to those in question. Baseline and twin stay, so that their ratio says at any time what
    identical code shows.

    Args:
        device: Where.
        rule: What the strategies carry out.
        allocate: Makes a replicate's tensors in memory that it is given.
        contenders: Verified cells, none that updates in backward. Without the baseline there are
            times, but no speedups.
        controls: What is timed in the same rounds, by name; ``bandwidth`` among them.
        settings: When to stop.
        order: Source of the random order within rounds, and of the tensors' places.
        progress: Told the fraction done, in [0, 1].
        compilation: Told whose call it was that compiled; updates that it has failed have no
            samples.

    Returns:
        Samples and estimates; a cell that raised is lost, and the replicate begun anew without it.
    """
    isolated = _Isolated(device, settings, contenders, order, compilation or Compilation())
    arena, processors = Arena(order), Processors(device.torch_device, order)
    with quiet_interpreter():
        while isolated.contenders:
            arena.begin()
            processor = processors.begin()
            bound = Bound(device, rule, allocate(arena.empty), controls, isolated.compilation)
            done = isolated.replicate(bound, processor, progress)
            bound.release(isolated.result.losses)
            del bound  # before the next replicate's tensors are made, not after
            if done:
                break
    isolated.sum_up()
    return isolated.result


class _Isolated:
    """The replicates of a block, one after another."""

    def __init__(
        self,
        device: Device,
        settings: Isolation,
        contenders: Sequence[Contender],
        order: np.random.Generator,
        compilation: Compilation,
    ) -> None:
        self.result = IsolatedResult()
        self.contenders, self.compilation = list(contenders), compilation
        self._device, self._settings, self._order = device, settings, order
        self._groupings: dict[tuple[str, Phase], Grouping] = {}
        self._settled: Counter[Key] = Counter()
        self._grids: list[dict[Key, Grid]] = []
        self._processors: list[int | None] = []
        self._controls: list[Sample] = []
        self._watch = Watch(device.torch_device)
        self._busy = False
        self._start = compilation.clock()
        kept = [c.cell for c in contenders if c.cell.role in ("baseline", "twin")]
        self._stay = {cell.name for cell in kept}
        self._baseline = next((cell.name for cell in kept if cell.role == "baseline"), "")
        default = next((cell.zeroing for cell in kept), None)
        self._ranked = [
            c.cell.name
            for c in contenders
            if c.cell.role != "twin"
            and c.cell.zeroing == default
            and c.strategy.approximation is None
        ]

    @property
    def _spent_s(self) -> float:
        return self.compilation.clock() - self._start

    def replicate(
        self, bound: Bound, processor: int | None, progress: Callable[[float], None]
    ) -> bool:
        """Take the rounds of one replicate; say whether no other one is needed."""
        result, settings = self.result, self._settings
        taking = [c for c in self.contenders if c.cell.name not in result.slower]
        try:
            # In another order each time: what is bound first finds other memory than what is last.
            turns = self._order.permutation(len(taking))
            bound.bind([taking[index] for index in turns], self._zeroings())
            rounds = self._rounds(bound.arms, processor, uncached=bound.bytes >= _UNCACHED_BYTES)
            slot_end = self._slot_end()
            samples: list[Sample] = []
            round_ = 0
            while round_ < settings.min_rounds or self._spent_s < slot_end:
                samples += rounds.take(result.replicates, round_)
                round_ += 1
                progress(min(self._spent_s / max(settings.budget_s, 1e-9), 1.0))
        except ArmRaised as raised:  # what it wrote, others would read: on fresh tensors again
            self._lose(raised)
            return False
        self._watch.look()
        if not settings.cold:
            self._settle(rounds, samples)
        result.samples += samples
        result.rounds += round_
        result.replicates += 1
        result.sampling_s += rounds.sampling_s
        self._processors.append(processor)
        self._grids.append(grids_of([s for s in samples if not self._failed(s)]))
        self._controls += [s for s in samples if s.cell == "bandwidth"]
        return self._judge(taking, late=round_ <= settings.min_rounds)

    def _slot_end(self) -> float:
        """Give a replicate an equal share of what is left, once it is prepared."""
        settings, spent_s = self._settings, self._spent_s
        left = settings.replicates - self.result.replicates
        return spent_s + max(settings.budget_s - spent_s, 0.0) / left if left > 0 else spent_s

    def sum_up(self) -> None:
        """Make the estimates of all samples, if any cell is left."""
        result = self.result
        result.samples = [s for s in result.samples if not self._failed(s)]
        if self.contenders:
            result.estimates = estimate(result.samples, **self._roles, busy=self._busy)

    def _rounds(self, arms: Sequence[Arm], processor: int | None, *, uncached: bool) -> Rounds:
        """Prepare to sample a replicate's arms; how, is found out of those that are new."""
        settings, new = self._settings, False
        first = []
        for index, arm in enumerate(arms):
            key = (arm.cell, arm.phase)
            if key in self._groupings:
                if self._settled[key] < _SETTLED_REPLICATES:
                    first.append(index)
            elif settings.cold:
                self._groupings[key] = Grouping(1, warm_up=False, spent_s=0.0)
                first.append(index)
            else:
                with naming(*key, arm.phase):
                    found = self._chosen(arm)
                self._groupings[key] = (
                    replace(found, warm_up=False, long=True) if uncached else found
                )
                self.result.sampling_s += found.spent_s
                new = True
        if new:
            named = {contender.cell.name for contender in self.contenders}
            updates = [
                (c, phase) for c, phase in self._groupings if phase == "update" and c in named
            ]
            longest_s = LONGEST_SAMPLE * settings.sample_s
            alike = with_equal_calls([self._groupings[key] for key in updates], longest_s)
            self._groupings |= dict(zip(updates, alike, strict=True))
        chosen = [self._groupings[arm.cell, arm.phase] for arm in arms]
        empty = empty_calls(self._device, arms, chosen)
        return Rounds(
            self._device,
            arms,
            chosen,
            self._order,
            first,
            empty,
            compilation=self.compilation,
            processor=processor,
        )

    def _settle(self, rounds: Rounds, samples: Sequence[Sample]) -> None:
        """Note the long calls whose first one after a binding takes no longer than the next."""
        taken = {(s.cell, s.phase): s.seconds for s in samples if s.round == 0 and s.calls == 1}
        for index, first_s in rounds.first_s.items():
            key = (rounds.arms[index].cell, rounds.arms[index].phase)
            if not rounds.groupings[index].warm_up and key in taken:
                self._settled[key] += first_s <= _SETTLED * taken[key]

    def _chosen(self, arm: Arm) -> Grouping:
        """Find how many calls make a sample, once the first ones have compiled what they need."""
        for _ in range(1 + SETTLING_CALLS):
            grouping = choose_calls(self._device, arm, self._settings.sample_s)
            if not self.compilation.credit(arm.cell):
                break
        return grouping

    def _zeroings(self) -> list[Contender]:
        """List the contenders whose zeroings take part: those of long ones only at first."""
        if self.result.replicates < _LONG_ZEROINGS:
            return self.contenders
        long = {cell for (cell, phase), g in self._groupings.items() if phase == "zero" and g.long}
        return [c for c in self.contenders if c.cell.name not in long]

    def _lose(self, raised: ArmRaised) -> None:
        """Lose the cell that raised; all cells of a zeroing that did."""
        error = raised.__cause__
        assert isinstance(error, Exception)
        by_name = {contender.cell.name: contender.cell for contender in self.contenders}
        if raised.cell not in by_name:  # the control: without it nothing else can be judged
            raise error
        zeroing, result = by_name[raised.cell].zeroing, self.result
        lost = [n for n, c in by_name.items() if raised.phase == "zero" and c.zeroing == zeroing]
        result.losses.add(error, f"timing: {raised.doing}", *(lost or [raised.cell]))
        result.samples = [sample for sample in result.samples if sample.cell not in result.losses]
        self._grids = [
            {key: grid for key, grid in grids.items() if key[0] not in result.losses}
            for grids in self._grids
        ]
        self.contenders = [c for c in self.contenders if c.cell.name not in result.losses]

    @property
    def _roles(self) -> dict[str, Any]:
        lost = self.result.losses.keys() | self.compilation.failed
        ranked = [name for name in self._ranked if name not in lost]
        named = {"baseline": self._baseline, "twin": "twin", "control": "bandwidth"}
        return {**named, "ranked": ranked}

    def _judge(self, taking: Sequence[Contender], *, late: bool) -> bool:
        """Look at the samples so far, leave slower cells alone, and say whether to stop."""
        result, settings = self.result, self._settings
        grids = stacked(self._grids)
        asked = {
            **self._roles,
            "waits_for_host": control_waits_for_host(self._controls),
            "processors": self._processors,
        }
        known = estimate_grids(grids, **asked, process=0.0)
        seen = known.selection
        result.contention = self._watch.end(switched=seen.switched_share, slow=seen.slow_share)
        self._busy = result.contention.reason is not None
        if self._busy:
            known = estimate_grids(grids, **asked, process=0.0, busy=True)
        enough = result.replicates >= settings.min_replicates
        if result.replicates >= FIRST_LOOK:
            slower = known.certainly_slower(settings.margin) - self._stay
            # Where there is time for all, how much slower is of interest, too.
            result.slower |= {
                c for c in slower if late or (enough and known.converged(c, settings.margin))
            }
        if not enough:
            return False
        floor = math.inf if known.noise_floor is None else known.noise_floor
        noisy = "twin" in known.speedups and floor > settings.noise
        most = _LONGEST * settings.min_replicates
        # Beside others, replicates that agree may only have had the same neighbour.
        if not self._busy and result.replicates >= FEWEST_RANKED:
            names = [c.cell.name for c in taking if c.cell.name not in self.compilation.failed]
            open_ = [name for name in names if name not in result.slower]
            if all(known.converged(name, settings.precision) for name in open_):
                result.stopped_by = "precision"
                return True
        return self._spent_s >= settings.budget_s and not (noisy and result.replicates < most)

    def _failed(self, sample: Sample) -> bool:
        return sample.phase == "update" and sample.cell in self.compilation.failed
