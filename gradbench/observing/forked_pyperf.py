"""pyperf, in processes forked from one that has imported torch and computed nothing.

pyperf's own manager starts an interpreter for each of its processes, and importing torch takes
longer than the values do. The process that forks is started once, and told of a block on a line.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from gradbench.observing.instruments import ARMS, Answer, Arms, Instrument, trained_shapes
from gradbench.observing.readings import Reading
from gradbench.request.block import Block, Cell
from gradbench.request.versions import Versions

PROCESSES, WARM_UPS, VALUES = 5, 1, 3
"""Processes for each arm that the time is meant to hold; pyperf's own warm-ups and values in each.
pyperf's default is 20 processes."""

MOST_VALUE_S = 0.1
"""Shortest duration of a value by pyperf's default; shorter where the time would not hold them."""

_OVERSHOOT = 1.5
"""Loops are a power of two, so that a value lasts up to twice what was asked for."""


class Told(NamedTuple):
    """What a worker told.

    Args:
        loops: Loops in a value, where it was to find that out; else 0.
        values: Seconds of a call, a value each.
    """

    loops: int
    values: list[float]


Ask = Callable[..., Told]


@contextmanager
def pyperf_server() -> Iterator[Instrument]:
    """Start the process that forks, and end it with the block.

    Yields:
        The instrument; it raises RuntimeError where that process ended by itself.
    """
    server = subprocess.Popen(
        [sys.executable, "-m", "gradbench.observing.forked_pyperf"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches this process, and this one ends it
        # Counted by NVML: CUDA, once asked, lets no forked process use a GPU.
        env={"PYTORCH_NVML_BASED_CUDA_CHECK": "1", **os.environ}
        | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert server.stdin is not None
    assert server.stdout is not None
    given, answers = server.stdin, server.stdout

    def measure(block: Block, seconds: float) -> Answer:
        with contextlib.suppress(BrokenPipeError):
            print(
                json.dumps([asdict(block), trained_shapes(block), seconds]), file=given, flush=True
            )
        line = answers.readline()
        if not line:
            raise RuntimeError(f"pyperf's processes ended with status {server.wait()}")
        answer = json.loads(line)
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return {arm: Reading(*told) for arm, told in answer.items()}

    try:
        assert answers.readline()  # it has imported what it needs
        yield measure
    finally:
        with contextlib.suppress(BrokenPipeError):
            given.close()  # at which it ends
        answers.close()
        try:
            server.wait(1.0)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def serve() -> None:
    """Answer every line of stdin that holds a block and seconds; the first line says: ready."""
    import pyperf  # noqa: F401
    import torch._dynamo  # which an optimizer imports

    print("ready", flush=True)
    for line in sys.stdin:
        given, sizes, seconds = json.loads(line)
        shapes = [torch.Size(each) for each in sizes]
        cells = tuple(Cell(**cell) for cell in given["cells"])
        asked = tuple(given["asked"])
        versions = Versions(**given["versions"])
        block = Block(**{**given, "cells": cells, "asked": asked, "versions": versions})
        start = time.perf_counter()
        try:
            means = spend(partial(_ask, block, shapes), seconds)
            answer: object = {
                arm: [means[ARMS[0]] / means[arm], time.perf_counter() - start] for arm in ARMS[1:]
            }
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


def spend(
    ask: Ask, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Ask a process for each arm in turn, until less is left than half of what one takes.

    The first of each arm gives one value. A value that takes longer than there is time for, since
    its loops were calibrated in a better moment, has as many loops fewer the next time.

    Args:
        ask: Starts a worker for an arm with options of pyperf.
        seconds: Wall time to spend.
        clock: Seconds of wall time.

    Returns:
        Mean of each arm's values, in seconds: of those of one process at least.
    """
    start = clock()
    in_all = len(ARMS) * PROCESSES * (WARM_UPS + VALUES)
    shortest = f"--min-time={min(seconds / in_all / _OVERSHOOT, MOST_VALUE_S):.9f}"
    loops = {arm: ask(arm, shortest, "--calibrate-loops").loops for arm in ARMS}
    values: dict[str, list[float]] = {arm: [] for arm in ARMS}
    durations: list[float] = []  # of processes with all of their values
    for number, arm in enumerate(itertools.cycle(ARMS)):
        began = clock()
        left = seconds - (began - start)
        count = 1 if number < len(ARMS) else VALUES
        if number >= len(ARMS) and left < float(np.median(durations)) / 2:
            break
        told = ask(arm, f"--loops={loops[arm]}", f"--warmups={WARM_UPS}", f"--values={count}")
        values[arm] += told.values
        one_s = (clock() - began) / (WARM_UPS + count)
        durations.append(one_s * (WARM_UPS + VALUES))
        loops[arm] = max(int(loops[arm] * min(seconds / in_all / one_s, 1.0)), 1)
    return {arm: float(np.mean(seen)) for arm, seen in values.items()}


def _ask(block: Block, shapes: Sequence[torch.Size], arm: str, *options: str) -> Told:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(_work, block, shapes, arm, options).result()


def _work(block: Block, shapes: Sequence[torch.Size], arm: str, options: Sequence[str]) -> Told:
    """Be pyperf's worker in this process."""
    import pyperf

    if block.threads is not None:
        torch.set_num_threads(block.threads)
    call = Arms(block, shapes).bind(arm)[arm]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it finds
        runner = pyperf.Runner()
        runner.parse_args(["--worker", "--quiet", *options])
        benchmark: Any = runner.bench_func(arm, call)
    loops = int(benchmark.get_metadata().get("calibrate_loops", 0))
    return Told(loops, [] if loops else [float(value) for value in benchmark.get_values()])


if __name__ == "__main__":
    serve()
