"""How the training protocol times a step, and how it spends its budget."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradbench.devices.base import Counts, Memory, Timing
from gradbench.request.block import Cell, Role
from gradbench.rules.base import Rule, Slots
from gradbench.statistics.sample import Sample
from gradbench.strategies.base import Binding, Strategy
from gradbench.timing.contender import Contender
from gradbench.timing.empty_call import nothing
from gradbench.timing.passes import FEWEST_PASSES
from gradbench.timing.training import Training, TrainingResult
from tests.conftest import make


class Clockwork:
    """A device of which each call takes a quarter of a second, of a clock that only it moves.

    What does nothing takes nothing.
    """

    torch_device = torch.device("cpu")

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        if call is nothing:
            return Timing(0.0, 0.0, None, 0)
        call()
        self.now += 0.25
        return Timing(0.25, 0.25, None, 0)

    def memory(self, call: Callable[[], object]) -> Memory:
        call()
        return Memory(0, 0)

    def count(self, call: Callable[[], object]) -> Counts:
        raise AssertionError("what is timed afterwards may be slower for it")


def contender(strategy: str, zeroing: str = "set_to_none", role: Role = "candidate") -> Contender:
    cell = Cell(strategy, zeroing, role)
    return Contender(cell, make("strategy", strategy), make("zeroing", zeroing))


THREE = (
    contender("no_grad", role="baseline"),
    contender("foreach"),
    contender("no_grad", role="twin"),
)


def train(
    device: Any,
    budget_s: float,
    steps: int,
    monkeypatch: pytest.MonkeyPatch,
    contenders: Sequence[Contender] = THREE,
    module: nn.Module | None = None,
    slower: Sequence[str] = (),
    fastest: str | None = None,
    longest_s: float = 0.0,
) -> TrainingResult:
    module = module or nn.Linear(2, 1)
    monkeypatch.setattr("gradbench.timing.compilation.time", device)
    names = [name for name, _ in module.named_parameters()]
    training = Training(
        device, make("rule", "sgd"), module, torch.ones(3, 2), names, steps, 0, {}, "no_grad"
    )
    result: TrainingResult = training.measure(
        contenders,
        budget_s,
        np.random.default_rng(0),
        lambda done: None,
        slower,
        fastest,
        longest_s,
    )
    assert all(parameter.grad is None for parameter in module.parameters())
    return result


def steps_of(result: TrainingResult, cell: str, phase: str = "step") -> list[int]:
    """Return how many samples each pass has."""
    found = Counter(s.replicate for s in result.samples if (s.cell, s.phase) == (cell, phase))
    return [found[number] for number in range(1 + max(found, default=-1))]


def test_the_first_pass_is_always_made_and_looks_at_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Clockwork()
    result = train(device, 0.0, 2, monkeypatch)
    assert device.now == 2 * 3 * 4 * 0.25
    assert steps_of(result, "foreach/set_to_none", "update") == [2]
    assert steps_of(result, "foreach/set_to_none") == []
    assert {row["cell"] for row in result.gradients} == {
        "no_grad/set_to_none",
        "foreach/set_to_none",
    }


def test_every_later_pass_is_whole_so_that_every_step_is_paired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the phases of the first pass a step takes a second, and then a quarter of one."""
    result = train(Clockwork(), 200.0, 2, monkeypatch)
    whole = [s for s in result.samples if s.phase == "step"]
    pairs = {
        name: {(s.replicate, s.round) for s in whole if s.cell == name}
        for name in ("no_grad/set_to_none", "foreach/set_to_none", "twin")
    }
    assert pairs["twin"] == pairs["no_grad/set_to_none"] == pairs["foreach/set_to_none"]
    passes = steps_of(result, "twin")
    assert passes[0] == 0
    assert len(passes) - 1 >= 6
    assert max(passes) == 9  # and one more, phase by phase
    assert sum(steps_of(result, "twin", "update")) < sum(passes) / 6


def test_the_budget_is_kept_but_for_the_first_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Clockwork()
    train(device, 60.0, 2, monkeypatch)
    assert 55.0 < device.now <= 60.0
    late = Clockwork()
    train(late, 40.0, 30, monkeypatch)  # two contenders, 31 steps of a second
    assert 80.0 < late.now <= 62.0 + 20.0 + 3 * 0.75  # steps by phases take longer


FOUR = (*THREE, contender("data"))


def test_what_the_fastest_saves_of_a_step_is_learnt_though_the_budget_does_not_hold_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight passes of three turns of two steps, of a second each, with a fifth to spare."""
    few = train(Clockwork(), 1.0, 1, monkeypatch, FOUR, fastest="data/set_to_none")
    assert {s.cell for s in few.samples if s.phase == "step"} == set()
    wide = train(Clockwork(), 1.0, 1, monkeypatch, FOUR, None, (), "data/set_to_none", 57.7)
    for cell in ("no_grad/set_to_none", "twin", "data/set_to_none"):
        assert sum(steps_of(wide, cell)) >= FEWEST_PASSES
    assert steps_of(wide, "foreach/set_to_none") == []


@pytest.mark.parametrize(
    ("budget_s", "fastest", "longest_s"),
    [
        (1.0, "data/set_to_none", 57.5),  # not enough for a figure, so that it would be lost time
        (0.0, "data/set_to_none", 57.7),  # none was asked for
        (1.0, "no_grad/set_to_none", 57.7),  # nothing is saved
        (1.0, None, 57.7),
    ],
)
def test_the_budget_holds_where_more_would_tell_nothing(
    budget_s: float, fastest: str | None, longest_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train(Clockwork(), budget_s, 1, monkeypatch, FOUR, None, (), fastest, longest_s)
    assert [s for s in result.samples if s.phase == "step"] == []


@pytest.mark.parametrize(("budget_s", "trained"), [(0.0, False), (60.0, True)])
def test_certainly_slower_cells_train_where_there_is_time(
    budget_s: float, trained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But all zeroings with the baseline's strategy, between which the step decides."""
    contenders = [*THREE, contender("no_grad", "set_to_zero"), contender("data")]
    slower = ["no_grad/set_to_zero", "data/set_to_none"]
    result = train(Clockwork(), budget_s, 2, monkeypatch, contenders, slower=slower)
    seen = {row["cell"] for row in result.gradients}
    assert {"no_grad/set_to_none", "foreach/set_to_none", "no_grad/set_to_zero"} <= seen
    assert ("data/set_to_none" in seen) is trained
    assert result.losses == {}


def test_what_the_budget_does_not_hold_often_enough_takes_no_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight passes of a contender take sixteen seconds; the first took four of each but twins."""
    contenders = (
        contender("foreach", "set_to_zero"),
        contender("no_grad", "set_to_zero"),
        contender("foreach"),
        *(contender("no_grad", role=role) for role in ("twin", "baseline")),
    )

    def taking_part(budget_s: float) -> set[str]:
        result = train(Clockwork(), budget_s, 1, monkeypatch, contenders)
        return {s.cell for s in result.samples if s.phase == "step"}

    first = 4 * 2.0
    assert taking_part(first + 3.0) == set()
    default = {"no_grad/set_to_none", "twin", "foreach/set_to_none"}
    assert taking_part(first + 49.0) == default
    assert taking_part(first + 65.0) == default | {"no_grad/set_to_zero"}
    assert taking_part(first + 81.0) == {c.cell.name for c in contenders}


class RunsAhead(Clockwork):
    """A GPU: what is called takes a while on the host, and goes on on the device behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0.0

    def work(self, host_s: float, device_s: float) -> None:
        self.now += host_s
        self.done = max(self.done, self.now) + device_s

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        start = self.now
        call()
        host_s = self.now - start
        self.now = max(self.now, self.done)  # synchronised
        return Timing(self.now - start, host_s, None, 0)


class Busy(nn.Module):
    """Its forward pass keeps the device busy, and the host hardly."""

    def __init__(self, device: RunsAhead) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.device = device

    def forward(self, x: Tensor) -> Tensor:
        self.device.work(1e-3, 100e-3)
        return x @ self.weight


class HostBound(Strategy):
    """Its update keeps the host busy, and the device hardly."""

    def __init__(self, device: RunsAhead) -> None:
        self.device = device

    def bind(self, rule: Rule, parameters: Sequence[nn.Parameter], slots: Sequence[Slots]) -> Any:
        return Binding(lambda: self.device.work(60e-3, 1e-3))


def test_the_host_may_run_ahead_within_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    device = RunsAhead()
    host_bound = Contender(
        Cell("busy", "set_to_none", "baseline"),
        HostBound(device),
        make("zeroing", "set_to_none"),
    )
    result = train(device, 60.0, 2, monkeypatch, (host_bound,), Busy(device))

    def median(phase: str) -> float:
        return float(np.median([s.seconds for s in result.samples if s.phase == phase]))

    # The update's 60 ms on the host pass while the device is still busy with forward's 100 ms.
    assert median("forward") == pytest.approx(101e-3)
    assert median("update") == pytest.approx(61e-3)
    assert median("step") == pytest.approx(102e-3)


def test_samples_are_numbered_by_pass_and_step(monkeypatch: pytest.MonkeyPatch) -> None:
    result = train(Clockwork(), 60.0, 2, monkeypatch)
    seen: list[Sample] = [s for s in result.samples if s.cell == "twin"]
    assert {s.replicate for s in seen} == set(range(1, 1 + max(s.replicate for s in seen)))
    assert all(1 <= s.round <= 10 for s in seen)
    assert len({(s.replicate, s.round, s.phase) for s in seen}) == len(seen)
