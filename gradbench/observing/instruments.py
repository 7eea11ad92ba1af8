"""Instruments that people time PyTorch with, each driven for the same seconds of wall time.

An instrument is a function of a block and of seconds. It answers with a reading for each arm: the
time of the baseline over the arm's. Its wall time begins once the calls are bound and ends with its
answer. One that stops early is asked again for what is left, and all of its samples are its answer.
pytest-benchmark, which fixes its number of rounds by the best time of a call and so takes several
times as long beside busy processes, has its rounds cut off when the time is over. pyperf and
gradbench are in modules of their own.
"""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.utils.benchmark import Timer

from gradbench.block.axes import instantiate_axes
from gradbench.block.building import build_model
from gradbench.observing.readings import Reading
from gradbench.request.block import Block
from gradbench.timing.binding import bind_with_gradients
from gradbench.verify.float64_run import trained_parameters
from gradbench.verify.tensors import Tensors

ARMS = ("baseline", "candidate", "twin")
"""In the order in which an instrument that does not interleave measures them."""

Call = Callable[[], object]
Answer = dict[str, Reading]
"""Of every arm but the baseline."""

Instrument = Callable[[Block, float], Answer]

ENOUGH = 0.05
"""Share of its time that an instrument may leave unused: less is not worth asking for."""

TURNS, WARM_UP, MOST_ROUNDS = 9, 20, 3000
"""Those of tests/benchmarks/test_strategies.py: turns on fresh tensors, calls without a time before
each, and rounds in one at most; as many at least as there are warm-up calls."""


class Arms:
    """The arms of a block, to be bound to fresh tensors as often as wanted.

    Args:
        block: Its cells with the roles of ``ARMS``.
        shapes: Of the tensors that its model trains.
    """

    def __init__(self, block: Block, shapes: Sequence[torch.Size]) -> None:
        self._block, self._shapes = block, shapes
        self._axes = instantiate_axes(block)
        self._cells = {str(cell.role): cell for cell in block.cells if cell.role in ARMS}

    def bind(self, *arms: str) -> dict[str, Call]:
        """Bind arms to fresh tensors, which they share.

        Args:
            arms: Which; all of them unless given.

        Returns:
            A call of each, which returns when its work is done.
        """
        axes, where = self._axes, self._axes.device.torch_device
        zeroing = axes.zeroings[self._block.default_zeroing]
        dtype = getattr(torch, self._block.dtype)
        tensors = Tensors.allocate(self._shapes, dtype, where, axes.rule)
        bound: dict[str, Call] = {}
        for arm in arms or ARMS:
            strategy = axes.strategies[self._cells[arm].strategy]
            step, _ = bind_with_gradients(strategy, zeroing, axes.rule, tensors)
            bound[arm] = step if where.type == "cpu" else partial(_finish, step)
        return bound


def trained_shapes(block: Block) -> list[torch.Size]:
    """Build a block's model, and list the shapes of the parameters that it trains."""
    module, batch = build_model(block, instantiate_axes(block))
    named = dict(module.named_parameters())
    return [named[name].shape for name in trained_parameters(module, batch)]


def _finish(step: Call) -> None:
    """Make a step and wait for it, as tools that know no device need it."""
    step()
    torch.cuda.synchronize()


def compare(seconds: Mapping[str, float], wall_s: float) -> Answer:
    """Hold the seconds of every arm against the baseline's."""
    return {arm: Reading(seconds[ARMS[0]] / seconds[arm], wall_s) for arm in ARMS[1:]}


def fill(
    measure: Callable[[float], Sequence[float]],
    seconds: float,
    first: float = 1.0,
) -> list[float]:
    """Ask for samples until the time is spent.

    Args:
        measure: Takes samples for the seconds it is asked for, or fewer, or more.
        seconds: Wall time to spend.
        first: Share of it that is asked for at once, at most.

    Returns:
        All samples; of one request at least.
    """
    start, left = time.perf_counter(), seconds
    values: list[float] = []
    while left >= ENOUGH * seconds:
        values += measure(min(seconds * first, left))
        left = seconds - (time.perf_counter() - start)
    return values


def one_after_another(
    sample: Callable[[Call, float], Sequence[float]], block: Block, seconds: float
) -> Answer:
    """Time one arm after another, each for its share of the time, as recipes do: medians.

    Args:
        sample: Takes an instrument's samples of a call, in seconds, for about as long as asked.
        block: What to measure.
        seconds: Wall time to spend.
    """
    bound = Arms(block, trained_shapes(block)).bind()
    start = time.perf_counter()
    medians = {}
    for index, (arm, call) in enumerate(bound.items()):
        share = (seconds - (time.perf_counter() - start)) / (len(ARMS) - index)
        share = max(share, ENOUGH * seconds)
        medians[arm] = float(np.median(fill(partial(sample, call), share)))
    return compare(medians, time.perf_counter() - start)


def sample_timer(call: Call, seconds: float, *, adaptive: bool) -> list[float]:
    """Let Timer choose its loops; it may stop early where it is adaptive."""
    threads = torch.get_num_threads()  # Timer sets one thread unless told
    timer = Timer("f()", globals={"f": call}, num_threads=threads)
    measurement = (
        timer.adaptive_autorange(max_run_time=seconds)
        if adaptive
        else timer.blocked_autorange(min_run_time=seconds)
    )
    return list(measurement.times)


def sample_pytest_benchmark(call: Call, seconds: float) -> list[float]:
    """Use the fixture as a test would, with its defaults but for the time."""
    return _rounds(seconds, lambda benchmark: benchmark(call))


def by_turns(block: Block, seconds: float) -> Answer:
    """Measure as tests/benchmarks does: each arm by itself, in nine turns on fresh tensors.

    A round is one call, timed by itself. A turn has as many rounds as fill its time, and binding
    and warm-up count. The median is that of all rounds, which is what pytest-benchmark stores and
    what is compared between two of its files.
    """
    arms = Arms(block, trained_shapes(block))
    start = time.perf_counter()
    medians = {}
    for index, arm in enumerate(ARMS):
        share = (seconds - (time.perf_counter() - start)) / (len(ARMS) - index)
        share = max(share, ENOUGH * seconds)
        medians[arm] = float(np.median(fill(partial(_turn, arms, arm), share, 1 / TURNS)))
    return compare(medians, time.perf_counter() - start)


def _turn(arms: Arms, arm: str, seconds: float) -> list[float]:
    """Take a turn's rounds on fresh tensors."""
    start = time.perf_counter()
    call = arms.bind(arm)[arm]
    began = time.perf_counter()
    for _ in range(WARM_UP):
        call()
    now = time.perf_counter()
    rounds = WARM_UP * (seconds - (now - start)) / (now - began)
    return _rounds(
        seconds - (now - start),
        lambda benchmark: benchmark.pedantic(
            lambda step: step(),
            setup=lambda: ((call,), {}),
            rounds=int(np.clip(rounds, WARM_UP, MOST_ROUNDS)),
        ),
    )


class _TimeIsUp(Exception):
    """The rounds are cut off here."""


def _rounds(seconds: float, run: Callable[[Any], object]) -> list[float]:
    """Run pytest-benchmark's fixture for so long at most; one round at least.

    Args:
        seconds: Wall time; its own defaults are kept but for this.
        run: Is given the fixture.

    Returns:
        Seconds of a call, for each round.
    """
    from pytest_benchmark.fixture import BenchmarkFixture

    def silent(*_: object, **__: object) -> None:
        return None

    end = time.perf_counter() + seconds
    over = False

    def read() -> float:
        """Read the clock; the round that the end lies in is the last one."""
        nonlocal over
        now = time.perf_counter()
        if over and benchmark.stats is not None and benchmark.stats.stats.data:
            raise _TimeIsUp
        over = now >= end
        return now

    make: Any = BenchmarkFixture  # not annotated
    taken = inspect.signature(BenchmarkFixture.__init__).parameters
    given: dict[str, Any] = {
        **dict.fromkeys(name for name in taken if name not in ("self", "group")),
        "node": SimpleNamespace(name="update", nodeid="update"),
        "timer": SimpleNamespace(target=read),
        **{"disable_gc": False, "warmup": False, "warmup_iterations": 100_000},
        **{"min_rounds": 5, "min_time": 0.000005, "max_time": seconds},
        **{"calibration_precision": 10, "disabled": False},
        **{"add_stats": silent, "warner": silent},
        "logger": SimpleNamespace(debug=silent, warning=silent, info=silent),
    }
    benchmark = make(**{name: value for name, value in given.items() if name in taken})
    with contextlib.suppress(_TimeIsUp):
        run(benchmark)
    return list(benchmark.stats.stats.data)


SAMPLING: Mapping[str, Instrument] = {
    "Timer, blocked": partial(one_after_another, partial(sample_timer, adaptive=False)),
    "Timer, adaptive": partial(one_after_another, partial(sample_timer, adaptive=True)),
    "pytest-benchmark": partial(one_after_another, sample_pytest_benchmark),
    "tests/benchmarks": by_turns,
}
"""Those that measure in this process, one arm after another."""
