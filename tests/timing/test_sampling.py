import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from gradbench.devices.base import Counts, Timing
from gradbench.statistics.effects import PROCESS
from gradbench.statistics.estimates import estimate
from gradbench.statistics.sample import Phase, Sample
from gradbench.statistics.verdicts import verdict
from gradbench.timing.arms import Arm, Grouping, choose_calls, with_equal_calls
from gradbench.timing.sampling import Rounds, sample_of


@dataclass
class FakeDevice:
    """A device whose calls take a second each, by its own clock."""

    per_call_s: float = 1.0
    switches: int = 0
    groups: list[int] = field(default_factory=list)
    torch_device = torch.device("cpu")

    def unavailable(self) -> str | None:
        return None

    def describe(self) -> str:
        return "fake"

    def free_bytes(self) -> int:
        return 1 << 40

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        self.groups.append(calls)
        for _ in range(calls):
            call()
        return Timing(self.per_call_s * calls, self.per_call_s * calls, None, self.switches)

    def untimed(self, call: Callable[[], object]) -> float:
        return self.time(call, 1).wall_s

    def count(self, call: Callable[[], object]) -> Counts:
        call()
        return Counts(0, 0, 0)


def warm(calls: int) -> Grouping:
    return Grouping(calls, warm_up=True, spent_s=0.0)


def test_a_call_beyond_every_cache_goes_without_a_warm_up() -> None:
    device = FakeDevice()
    cold = Grouping(1, warm_up=False, spent_s=0.0)
    arm = Arm("a", "update", lambda: None)
    Rounds(device, [arm], [cold], np.random.default_rng(0)).take(0, 0)
    assert device.groups == [1]


@pytest.mark.parametrize(("first", "calls"), [((), 2), ((0,), 3)])
def test_what_a_binding_sets_up_is_done_once(first: tuple[int, ...], calls: int) -> None:
    seen: list[int] = []
    arm = Arm("a", "update", lambda: seen.append(1))
    cold = Grouping(1, warm_up=False, spent_s=0.0)
    rounds = Rounds(FakeDevice(), [arm], [cold], np.random.default_rng(0), first=first)
    rounds.take(0, 0)
    rounds.take(0, 1)
    assert len(seen) == calls


@pytest.mark.parametrize("per_call_s", [1e-7, 3e-6, 1e-4, 0.1])
def test_a_sample_lasts_long_enough(per_call_s: float) -> None:
    device = FakeDevice(per_call_s)
    found = choose_calls(device, Arm("a", "update", lambda: None), 200e-6)
    assert found.calls * per_call_s >= 200e-6
    assert found.calls * per_call_s <= max(3e-3, per_call_s)
    assert found.spent_s == pytest.approx(sum(device.groups) * per_call_s)
    assert found.warm_up is (per_call_s < 0.05)


@pytest.mark.parametrize(
    ("calls_s", "calls"),
    [
        ((10e-6, 60e-6, 99e-6, 101e-6, 1.9e-3, 2.1e-3), (10, 10, 10, 10, 10, 1)),
        ((10e-6, 900e-6, 950e-6), (10, 2, 2)),  # a usual sample does not last for longer than 2 ms
        ((3e-3, 4e-3), (1, 1)),
    ],
)
def test_all_samples_have_as_many_calls_as_the_one_that_needs_most(
    calls_s: tuple[float, ...], calls: tuple[int, ...]
) -> None:
    """A call that comes later in its sample is a warmer one."""
    arm = Arm("a", "update", lambda: None)
    found = [choose_calls(FakeDevice(each_s), arm, 1e-4) for each_s in calls_s]
    consumes = choose_calls(FakeDevice(), replace(arm, restore=lambda: None), 1e-4)
    *alike, consumed = with_equal_calls([*found, consumes], 2e-3)
    assert tuple(grouping.calls for grouping in alike) == calls
    assert consumed == consumes


class BusyDevice(FakeDevice):
    """Beside others: of every four groups, three wait for a processor."""

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        whole = super().time(call, calls)
        if len(self.groups) % 4 == 0:
            return whole
        wall_s = whole.wall_s + 0.030 * calls
        return replace(whole, wall_s=wall_s, host_s=wall_s, waited_s=0.030 * calls)


@pytest.mark.parametrize("per_call_s", [25e-6, 2e-3, 0.1])
def test_busy_processes_do_not_say_how_a_call_is_sampled(per_call_s: float) -> None:
    arm = Arm("a", "update", lambda: None)
    quiet = choose_calls(FakeDevice(per_call_s), arm, 1e-4)
    beside = choose_calls(BusyDevice(per_call_s), arm, 1e-4)
    assert (beside.calls, beside.warm_up, beside.long) == (quiet.calls, quiet.warm_up, quiet.long)
    assert beside.call_s == pytest.approx(quiet.call_s, rel=0.7)
    assert beside.spent_s < 1.0


def test_a_call_that_is_always_interrupted_is_not_timed_forever() -> None:
    device = FakeDevice(0.0, switches=1000)
    choose_calls(device, Arm("a", "update", lambda: None), 1e-4)
    assert len(device.groups) < 2000


@pytest.mark.parametrize("restored_s", [0.0, 0.051])
def test_what_consumes_is_sampled_one_call_at_a_time(restored_s: float) -> None:
    arm = Arm("a", "zero", lambda: None, restore=lambda: time.sleep(restored_s))
    found = choose_calls(FakeDevice(), arm, 200e-6)
    assert found == Grouping(1, warm_up=restored_s == 0, spent_s=1.0, long=True)


def test_a_round_samples_every_arm_once_after_an_untimed_call() -> None:
    log: list[str] = []
    arms = [Arm(name, "update", lambda name=name: log.append(name)) for name in "abc"]  # type: ignore[misc]
    device = FakeDevice()
    rounds = Rounds(device, arms, [warm(2), warm(1), warm(3)], np.random.default_rng(0))
    samples = rounds.take(replicate=1, round_=4)
    assert sorted(sample.cell for sample in samples) == ["a", "b", "c"]
    assert {name: log.count(name) for name in "abc"} == {"a": 3, "b": 2, "c": 4}
    assert all(s.seconds == 1.0 and (s.replicate, s.round) == (1, 4) for s in samples)
    assert rounds.sampling_s == sum(device.groups)


def test_order_is_random_and_seeded() -> None:
    arms = [Arm(str(i), "update", lambda: None) for i in range(8)]

    def orders(seed: int) -> list[list[str]]:
        rounds = Rounds(FakeDevice(), arms, [warm(1)] * 8, np.random.default_rng(seed))
        return [[s.cell for s in rounds.take(0, r)] for r in range(3)]

    assert orders(0) == orders(0)
    assert orders(0) != orders(1)
    assert orders(0)[0] != orders(0)[1]


def test_restore_precedes_every_call() -> None:
    log: list[str] = []
    arm = Arm("a", "zero", lambda: log.append("call"), restore=lambda: log.append("restore"))
    Rounds(FakeDevice(), [arm], [warm(1)], np.random.default_rng(0)).take(0, 0)
    assert log == ["restore", "call", "restore", "call"]


def test_switched_out_more_than_an_idle_machine_is_disturbed() -> None:
    def sample(wall_s: float, switches: int) -> bool:
        timing = Timing(wall_s, wall_s, None, switches)
        return sample_of(
            timing,
            cell="a",
            protocol="isolated",
            replicate=0,
            round_=0,
            phase="update",
            calls=1,
        ).switched

    assert not sample(200e-6, 0)
    assert sample(200e-6, 1)
    assert not sample(0.2, 3)
    assert sample(0.2, 100)


def samples_of(
    cell: str, seconds: list[list[float]], switched: set[tuple[int, int]]
) -> list[Sample]:
    return [
        _sample(cell, "update", r, k, value, (r, k) in switched)
        for r, row in enumerate(seconds)
        for k, value in enumerate(row)
    ]


def _sample(cell: str, phase: Phase, r: int, k: int, seconds: float, switched: bool) -> Sample:
    return Sample(cell, "isolated", r, k, phase, 1, seconds, seconds, None, switched)


def test_disturbed_samples_are_left_out_of_estimates() -> None:
    base = [[2.0, 2.0, 90.0, 2.0], [2.0, 2.0, 2.0, 2.0]]
    fast = [[1.0, 1.0, 1.0, 1.0], [1.0, 7.0, 1.0, 1.0]]
    control = [[1.0, 1.0, 1.0, 1.0], [1.0, 9.0, 1.0, 1.0]]
    samples = [
        *samples_of("base", base, {(0, 2)}),
        *samples_of("fast", fast, set()),
        *samples_of("twin", base, {(0, 2)}),
        *samples_of("control", control, set()),
    ]
    figures = estimate(samples, baseline="base", twin="twin", control="control")
    assert figures.speedups["fast"].estimate == pytest.approx(2.0)
    nothing_but_the_process = math.exp(1.96 * PROCESS) - 1
    assert figures.speedups["fast"].half_width == pytest.approx(nothing_but_the_process, rel=0.01)
    assert figures.speedups["base"].estimate == 1.0
    assert figures.times["base", "update"].estimate == pytest.approx(2.0)
    assert figures.disturbed == {"base": 2, "fast": 1, "twin": 2, "control": 1}
    assert figures.noise_floor == pytest.approx(0.0, abs=1e-9)
    assert not figures.contended
    assert figures.converged("fast", 0.01)
    assert not figures.converged("absent", 0.01)


def test_a_busy_block_uses_every_sample_and_says_so() -> None:
    everywhere = {(r, k) for r in range(2) for k in range(2)}
    samples = [
        *samples_of("base", [[2.0, 2.0], [2.0, 2.0]], everywhere),
        *samples_of("twin", [[2.0, 2.0], [2.0, 2.0]], everywhere),
        *samples_of("control", [[1.0, 1.0], [1.0, 1.0]], set()),
    ]
    figures = estimate(samples, baseline="base", twin="twin", control="control")
    assert figures.contended
    assert figures.times["base", "update"].estimate == pytest.approx(2.0)


def test_a_cell_without_a_clean_sample_has_figures_all_the_same() -> None:
    samples = [
        *samples_of("base", [[2.0, 2.0], [2.0, 2.0]], set()),
        *samples_of("twin", [[2.0, 2.0], [2.0, 2.0]], set()),
        *samples_of("slow", [[4.0, 4.0], [4.0, 4.0]], {(r, k) for r in (0, 1) for k in (0, 1)}),
        *samples_of("control", [[1.0, 1.0], [1.0, 1.0]], set()),
    ]
    figures = estimate(samples, baseline="base", twin="twin", control="control")
    assert not figures.contended
    assert figures.speedups["slow"].estimate == pytest.approx(0.5)


def test_short_samples_that_were_switched_out_say_nothing() -> None:
    """Each lasts a scheduler's slice, whatever it does: every ratio is 1, certainly."""
    shape = [(r, k) for r in range(8) for k in range(4)]
    slices = [[0.008] * 4] * 8
    samples = [
        *samples_of("base", slices, set(shape)),
        *samples_of("half", slices, set(shape[:-5])),
        *samples_of("twin", slices, set(shape)),
        *samples_of("control", [[1e-3] * 4] * 8, set()),
    ]
    figures = estimate(
        samples, baseline="base", twin="twin", control="control", ranked=["base", "half"]
    )
    assert figures.contended
    for cell in ("half", "twin"):
        interval = figures.speedups[cell]
        assert (interval.low, interval.high) == (0.0, math.inf)
        assert verdict(interval, noise=0.0) == "unclear"
    assert figures.noise_floor is None
    assert figures.certainly_slower(0.05) == set()


def test_a_few_whole_samples_among_slices_tell_the_truth() -> None:
    rounds = 40
    rng = np.random.default_rng(0)
    hit = {cell: rng.random((12, rounds)) < 0.8 for cell in ("base", "half", "twin")}
    truth = {"base": 2e-5, "half": 1e-5, "twin": 2e-5}
    samples = samples_of("control", [[1e-3] * rounds] * 12, set())
    for cell, lasted in hit.items():
        grid = np.where(lasted, 8e-3, truth[cell] * np.exp(rng.normal(0, 0.02, lasted.shape)))
        samples += samples_of(cell, grid.tolist(), set(zip(*np.nonzero(lasted), strict=True)))
    figures = estimate(samples, baseline="base", twin="twin", control="control")
    assert figures.contended
    assert figures.speedups["half"].low < 2 < figures.speedups["half"].high
    assert figures.speedups["half"].half_width < 0.05
    assert figures.noise_floor is not None
    assert figures.noise_floor < 0.05
