"""Who is certainly slower gets no more samples, and what remains is not biased by that."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch.nn import Parameter

from gradbench.devices.base import Counts, Timing
from gradbench.devices.cpu import Cpu
from gradbench.machine.contention import Clocks, Contention, Watch
from gradbench.request.block import Cell
from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.timing.bandwidth import BandwidthControl
from gradbench.timing.compilation import Compilation
from gradbench.timing.contender import Contender
from gradbench.timing.isolated import measure_isolated
from gradbench.timing.isolation import IsolatedResult, Isolation
from gradbench.verify.tensors import Tensors
from tests.conftest import make

SHAPES = [torch.Size([4])]


class Noisy(Cpu):
    """A CPU whose calls take what they say, times noise of their own and of the replicate."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng, self.spent, self.now = np.random.default_rng(seed), 1e-3, 0.0

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        self.spent = 1e-3
        call()
        wall_s = calls * self.spent * float(np.exp(self.rng.normal(0, 0.02)))
        self.now += wall_s
        return Timing(wall_s, wall_s, None, 0)

    def untimed(self, call: Callable[[], object]) -> float:
        return self.time(call, 1).wall_s

    def count(self, call: Callable[[], object]) -> Counts:
        call()
        return Counts(1, 0)


class OnItsClock(Compilation):
    """Has budgets count what calls take on the clock above, not what this machine takes."""

    def __init__(self, device: Noisy) -> None:
        super().__init__()
        self.device = device

    def clock(self) -> float:
        return self.device.now


class Alone(Watch):
    """Sees nobody else, whoever is there."""

    def end(self, *, switched: float, slow: float, now: Clocks | None = None) -> Contention:
        return super().end(switched=0.0, slow=0.0, now=self.start)


class Takes(Strategy):
    """Takes so long, on the clock above."""

    def __init__(self, device: Noisy, seconds: float) -> None:
        self.device, self.seconds, self.bound = device, seconds, 0

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        self.bound += 1

        def step() -> None:
            self.device.spent = self.seconds

        return Binding(step)


TWELVE = Isolation(0.0, 1e-6, 1e-6, 12, 12)


def race(
    seconds: Mapping[str, float],
    monkeypatch: pytest.MonkeyPatch,
    seed: int = 0,
    settings: Isolation = TWELVE,
) -> IsolatedResult:
    """Measure cells, of which the first is the baseline."""
    monkeypatch.setattr("gradbench.timing.isolated.empty_calls", lambda *_: ())
    monkeypatch.setattr("gradbench.timing.isolated.Watch", Alone)
    device, rule = Noisy(seed), make("rule", "sgd")
    first = next(iter(seconds))
    zeroing = make("zeroing", "set_to_none")
    contenders = [
        Contender(
            Cell(name, "set_to_none", "baseline" if name == first else "candidate"),
            Takes(device, taken),
            zeroing,
        )
        for name, taken in seconds.items()
    ]
    twin = Contender(Cell(first, "set_to_none", "twin"), Takes(device, seconds[first]), zeroing)
    with suppress(StopIteration):
        return measure_isolated(
            device,
            rule,
            lambda empty: Tensors.allocate(SHAPES, torch.float32, device.torch_device, rule, empty),
            [*contenders, twin],
            {"bandwidth": BandwidthControl.matching(rule, SHAPES, torch.float32)},
            settings,
            np.random.default_rng(seed),
            lambda done: None,
            compilation=OnItsClock(device),
        )
    raise AssertionError


def replicates(result: IsolatedResult, cell: str) -> int:
    return len({s.replicate for s in result.samples if (s.cell, s.phase) == (cell, "update")})


def test_who_is_certainly_slower_gets_no_more_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"base": 2e-3, "fast": 1e-3, "alike": 1.01e-3, "slow": 3e-3, "slower": 9e-3}
    result = race(seconds, monkeypatch)
    assert result.slower == {"slow/set_to_none", "slower/set_to_none"}
    assert replicates(result, "slow/set_to_none") < 6
    for cell in ("base/set_to_none", "fast/set_to_none", "alike/set_to_none", "twin"):
        assert replicates(result, cell) == 12
    found = result.estimates
    assert found is not None
    assert found.fastest in ("fast/set_to_none", "alike/set_to_none")
    slow = found.speedups["slow/set_to_none"]
    assert slow.low < 2 / 3 < slow.high
    assert slow.half_width < 0.2


def test_where_there_is_time_a_slower_cell_is_left_alone_after_enough_replicates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process's first replicates vary most: two of them are no interval."""
    time_for_all = Isolation(4.0, 1e-6, 1e-6, 8, 6)
    result = race({"base": 2e-3, "fast": 1e-3, "slow": 9e-3}, monkeypatch, settings=time_for_all)
    assert result.slower == {"slow/set_to_none"}
    assert 6 <= replicates(result, "slow/set_to_none") < replicates(result, "base/set_to_none")


def test_all_updates_are_sampled_by_as_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    short = Isolation(0.0, 1e-6, 5e-3, 3, 3)
    result = race({"base": 4e-3, "fast": 1e-3, "between": 2e-3}, monkeypatch, settings=short)
    calls = {s.calls for s in result.samples if s.phase == "update" and s.cell != "bandwidth"}
    assert len(calls) == 1
    assert calls.pop() >= 5


def test_a_baseline_far_behind_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    result = race({"base": 1e-2, "fast": 1e-3}, monkeypatch)
    assert result.slower == set()
    assert replicates(result, "twin") == 12


def test_racing_neither_calls_identical_code_slower_nor_biases_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A/A: of ten identical cells none is left alone, beside ones that are."""
    identical = {f"same{n}": 1e-3 for n in range(10)}
    logs, false, held, asked = [], 0, 0, 0
    for seed in range(16):
        result = race({"base": 1e-3, **identical, "slow": 2e-3}, monkeypatch, seed)
        assert "slow/set_to_none" in result.slower
        false += len(result.slower) - 1
        assert result.estimates is not None
        for name in identical:
            interval = result.estimates.speedups[f"{name}/set_to_none"]
            logs.append(np.log(interval.estimate))
            held += interval.low <= 1 <= interval.high
            asked += 1
    assert false == 0
    assert held / asked >= 0.93
    # The baseline's own noise is in all ten of a block: sixteen blocks are independent.
    error = 0.02 * np.sqrt(2 / 12) / np.sqrt(16)
    assert abs(np.mean(logs)) < 3 * error


@pytest.mark.parametrize(("noise", "replicates"), [(10.0, 6), (1e-9, 18)])
def test_sampling_goes_on_where_the_noise_floor_is_too_high(
    noise: float, replicates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"base": 1e-3, "other": 1e-3}
    result = race(seconds, monkeypatch, settings=Isolation(0.0, 1e-6, 1e-6, 6, 6, noise=noise))
    assert result.replicates == replicates
