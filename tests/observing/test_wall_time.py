"""Every instrument uses the time it is given, on a clock that passes as it is told."""

from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from gradbench.block.measured import Measured
from gradbench.observing import instruments, own_instrument
from gradbench.observing.forked_pyperf import PROCESSES, VALUES, WARM_UPS, Told, spend
from gradbench.observing.instruments import (
    ARMS,
    MOST_ROUNDS,
    SAMPLING,
    TURNS,
    WARM_UP,
    Arms,
    by_turns,
    fill,
    one_after_another,
    sample_pytest_benchmark,
    sample_timer,
)
from gradbench.observing.own_instrument import Gradbench
from tests.benchmarks import test_strategies as suite

CALL_S = {"baseline": 4e-3, "candidate": 1e-3, "twin": 4e-3}
BIND_S = 0.01


class Clock:
    """Calls and bindings take the time above, and busy processes `stretch` times as long."""

    def __init__(self) -> None:
        self.now, self.stretch, self.bindings = 100.0, 1.0, 0

    def __call__(self) -> float:
        self.now += 1e-8  # so much it resolves
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds * self.stretch

    def bind(self, *arms: str) -> dict[str, Callable[[], object]]:
        self.spend(BIND_S)
        self.bindings += 1
        return {arm: partial(self.spend, CALL_S[arm]) for arm in arms or ARMS}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(instruments, "time", SimpleNamespace(perf_counter=clock))
    monkeypatch.setattr(instruments, "trained_shapes", lambda block: [])
    monkeypatch.setattr(Arms, "__init__", lambda *_: None)
    monkeypatch.setattr(Arms, "bind", lambda _, *arms: clock.bind(*arms))
    return clock


@pytest.mark.parametrize("stretch", [1.0, 4.0])
@pytest.mark.parametrize("name", ["pytest-benchmark", "tests/benchmarks"])
def test_pytest_benchmark_uses_its_time(name: str, stretch: float, clock: Clock) -> None:
    clock.stretch = stretch
    block: Any = None
    answer = SAMPLING[name](block, 9.0)
    assert answer["candidate"].ratio == pytest.approx(4.0, rel=1e-3)
    assert answer["twin"].ratio == pytest.approx(1.0)
    assert answer["candidate"].wall_s == pytest.approx(9.0, rel=0.1)
    if stretch == 1:  # beside others, warm-up and the fewest rounds take more than a turn's time
        assert clock.bindings == (1 if name == "pytest-benchmark" else len(ARMS) * TURNS)


def test_rounds_that_slow_down_are_cut_off(clock: Clock) -> None:
    """The number of rounds is fixed by a call that was quick: beside others they take longer."""
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        clock.spend(1e-3 if calls < 5 else 1e-2)

    start = clock()
    seconds = sample_pytest_benchmark(call, 1.0)
    assert clock() - start == pytest.approx(1.0, rel=0.02)
    assert max(seconds) == pytest.approx(1e-2)


def test_one_round_is_taken_however_short_the_time(clock: Clock) -> None:
    assert sample_pytest_benchmark(partial(clock.spend, 3.0), 1.0) == [pytest.approx(3.0)]


def test_one_that_stops_early_is_asked_again_until_the_time_is_spent(clock: Clock) -> None:
    asked = []

    def early(seconds: float) -> Sequence[float]:
        asked.append(seconds)
        clock.spend(0.3)
        return [float(len(asked))]

    assert fill(early, 1.0) == [1.0, 2.0, 3.0, 4.0]
    assert asked == pytest.approx([1.0, 0.7, 0.4, 0.1])


def test_what_one_arm_overruns_the_others_lack(clock: Clock) -> None:
    asked = []

    def late(call: Callable[[], object], seconds: float) -> Sequence[float]:
        asked.append(seconds)
        clock.spend(seconds if asked[1:] else 2.0 * seconds)
        return [1.0]

    block: Any = None
    answer = one_after_another(late, block, 6.0)
    assert answer["twin"].wall_s == pytest.approx(6.0)
    assert asked == pytest.approx([2.0, 1.0, 1.0])


@pytest.mark.parametrize("adaptive", [True, False])
def test_timer_answers_with_its_samples(adaptive: bool) -> None:
    calls = []
    times = sample_timer(lambda: calls.append(1), 0.02, adaptive=adaptive)
    assert times
    assert all(0 < seconds < 1 for seconds in times)


def test_turns_are_those_of_the_benchmarks(clock: Clock) -> None:
    assert (TURNS, WARM_UP) == (suite.TURNS, suite.WARM_UP)
    assert f"WARM_UP, {MOST_ROUNDS}" in suite.Path(suite.__file__).read_text()
    block: Any = None
    assert by_turns(block, 1.0)["candidate"].ratio == pytest.approx(4.0, rel=1e-3)


@pytest.mark.parametrize("stretch", [1.0, 6.0])
def test_pyperf_forks_while_time_is_left(stretch: float) -> None:
    clock = Clock()
    asked: list[tuple[str, ...]] = []

    def ask(arm: str, *options: str) -> Told:
        asked.append((arm, *options))
        given = dict(option.lstrip("-").split("=") for option in options if "=" in option)
        if "--calibrate-loops" in options:  # in a quiet moment
            loops = 1
            while loops * CALL_S[arm] < float(given["min-time"]):
                loops *= 2
            clock.now += 2 * loops * CALL_S[arm]
            return Told(loops, [])
        count = int(given["warmups"]) + int(given["values"])
        clock.spend(count * int(given["loops"]) * CALL_S[arm])
        return Told(0, [CALL_S[arm]] * int(given["values"]))

    means = spend(ask, 6.0, clock)
    assert means == pytest.approx(CALL_S)
    assert clock.now - 100.0 == pytest.approx(6.0, rel=0.1)
    assert len(asked) > len(ARMS) * 3
    assert PROCESSES * (WARM_UPS + VALUES) == 20


def test_gradbench_takes_its_set_up_off_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, budgets, known = Clock(), [], []

    def measure(block: Any, progress: object, examined: dict[str, Any], *, count: bool) -> Measured:
        assert not count
        budget_s = block.options["measurement"]["budget_s"]
        budgets.append(budget_s)
        known.append(set(examined))
        clock.spend(budget_s + 0.5 + (0 if examined else 2.0))
        return Measured([], examined={"optimizer": object()})  # type: ignore[dict-item]

    monkeypatch.setattr(own_instrument, "time", SimpleNamespace(perf_counter=clock))
    monkeypatch.setattr(own_instrument, "measure_block", measure)
    rows = [
        {"role": arm, "speedup": 2.0, "speedup_low": 1.9, "speedup_high": 2.1} for arm in ARMS[1:]
    ]
    monkeypatch.setattr(own_instrument, "cell_rows", lambda *_: rows)
    from gradbench.request.hydra_app import compose_configuration
    from gradbench.request.plan import plan_block

    block = plan_block(compose_configuration(["model=linear", "strategy=[foreach]", "run=x"]))
    instrument = Gradbench()
    for _ in range(2):
        answer = instrument(block, 3.0)
        assert answer["candidate"].wall_s == pytest.approx(3.0)
        assert (answer["twin"].low, answer["twin"].high) == (1.9, 2.1)
    assert budgets == pytest.approx([0.0, 0.0, 2.5, 2.5])
    assert known == [set(), {"optimizer"}, {"optimizer"}, {"optimizer"}]
