"""pyperf's approach: fresh processes, a few long values in each, the mean of all."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from gradbench.instruments.subject import ARMS, BASELINE, Subject
from gradbench.request.block import Block
from gradbench.sweep.worker_server import PRELOADED


def workers(subject: Subject, seconds: float, seed: int) -> dict[str, float]:
    """Compare means over fresh processes of pyperf's values.

    pyperf's own manager starts each process with an interpreter of its own, and importing torch
    takes longer than the values do. Here the processes are forked from a server that has imported
    it, and only the time that pyperf's runner takes inside them counts as sampling.

    Args:
        subject: What to measure.
        seconds: Sampling of all arms together; each arm has one process at least.
        seed: Not used.

    Returns:
        The baseline's time over that of each arm.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED, "gradbench.instruments.pyperf_workers", "pyperf"])
    values: dict[str, list[float]] = {arm: [] for arm in ARMS}
    spent = longest = 0.0
    loops = {}
    for arm in ARMS:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            loops[arm], took_s = pool.submit(_loops, subject.block, arm).result()
        spent += took_s
    while not longest or spent + longest <= seconds:
        round_s = 0.0
        for arm in ARMS:
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                seen, took_s = pool.submit(_values, subject.block, arm, loops[arm]).result()
            values[arm] += seen
            round_s += took_s
        spent, longest = spent + round_s, max(longest, round_s)
    means = {arm: float(np.mean(found)) for arm, found in values.items()}
    return {arm: means[BASELINE] / means[arm] for arm in ARMS if arm != BASELINE}


def _loops(block: Block, arm: str) -> tuple[int, float]:
    """Have pyperf's worker choose the calls per value; also the seconds it took."""
    benchmark, took_s = _worker(block, arm, ["--calibrate-loops"])
    return int(benchmark.get_metadata()["calibrate_loops"]), took_s


def _values(block: Block, arm: str, loops: int) -> tuple[list[float], float]:
    """Have pyperf's worker take its values; also the seconds it took."""
    benchmark, took_s = _worker(block, arm, ["--loops", str(loops), "--warmups=1", "--values=3"])
    return [float(value) for value in benchmark.get_values()], took_s


def _worker(block: Block, arm: str, options: list[str]) -> tuple[Any, float]:
    """Run pyperf's worker on one arm, in this fresh process."""
    import pyperf

    call = Subject.of(block).calls()[arm]
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it finds
        runner = pyperf.Runner()
        runner.parse_args(["--worker", "--quiet", *options])
        benchmark = runner.bench_func(arm, call)
    return benchmark, time.perf_counter() - start
