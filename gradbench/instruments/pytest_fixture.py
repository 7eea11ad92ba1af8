"""pytest-benchmark's fixture, with its defaults, one arm after another."""

from __future__ import annotations

import inspect
import time
from types import SimpleNamespace
from typing import Any

from gradbench.instruments.subject import ARMS, BASELINE, Subject


def fixture(subject: Subject, seconds: float, seed: int) -> dict[str, float]:
    """Compare medians of ``benchmark(call)``.

    Args:
        subject: What to measure.
        seconds: Sampling of all arms together: ``--benchmark-max-time`` of each is a share.
        seed: Not used.

    Returns:
        The baseline's time over that of each arm.
    """
    calls = subject.calls()
    share = seconds / len(ARMS)
    medians = {arm: _median(calls[arm], share) for arm in ARMS}
    return {arm: medians[BASELINE] / medians[arm] for arm in ARMS if arm != BASELINE}


def _median(call: Any, seconds: float) -> float:
    """Use the fixture as a test would, without pytest around it."""
    from pytest_benchmark.fixture import BenchmarkFixture

    def silent(*_: object, **__: object) -> None:
        return None

    given: dict[str, Any] = {
        "node": SimpleNamespace(name="update", nodeid="update"),
        "timer": SimpleNamespace(target=time.perf_counter),
        # The plugin's defaults.
        "disable_gc": False,
        "min_rounds": 5,
        "min_time": 0.000005,
        "max_time": seconds,
        "warmup": False,
        "warmup_iterations": 100_000,
        "calibration_precision": 10,
        # What it needs to run by itself.
        "add_stats": silent,
        "logger": SimpleNamespace(debug=silent, warning=silent, info=silent),
        "warner": silent,
        "disabled": False,
    }
    taken = inspect.signature(BenchmarkFixture.__init__).parameters
    others = {name: None for name in taken if name not in {"self", "group", *given}}
    make: Any = BenchmarkFixture  # not annotated
    benchmark = make(**others, **{k: v for k, v in given.items() if k in taken})
    benchmark(call)
    return float(benchmark.stats.stats.median)
