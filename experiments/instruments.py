"""How far do the tools that people time PyTorch with scatter, on the same speedup?

Most people who compare two ways of doing something time one, then the other, with
`torch.utils.benchmark.Timer`, pytest-benchmark or pyperf. What changes between the two (another
process, the clock frequency, a neighbour) then looks like a difference between the ways.
gradbench times both in the same rounds, leaves out samples in which it was interrupted, and
allocates anew.

Here each tool gets the same calls, the same seconds and the same machine, by turns, again and
again. What a tool says differs from repeat to repeat: the less, the more can be told from one. A
call is also held against itself, where the right answer is known: 1.

Every ratio is stored, in the column `repeats`; experiments/instruments.md sums them up.

Sources: documentation of torch.utils.benchmark (its recipe compares medians), pytest-benchmark
(calibration, rounds), pyperf ("Run a benchmark": processes, warmups, values).
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.utils.benchmark import Timer

from gradbench.block.axes import instantiate_axes
from gradbench.block.building import build_model
from gradbench.block.run import measure_block
from gradbench.calibration.hogs import busy
from gradbench.cli.commands.calibrate import MOST_HOGS
from gradbench.errors import BadRequest
from gradbench.observing.cases import claim
from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.paired import Paired
from gradbench.observing.script import main
from gradbench.report.calibration import load_name, percent
from gradbench.request.block import Block, Cell
from gradbench.request.hydra_app import compose_configuration
from gradbench.request.plan import plan_block
from gradbench.sweep.worker_server import COUNTED_BY_NVML
from gradbench.timing.binding import bind_with_gradients
from gradbench.verify.float64_run import trained_parameters
from gradbench.verify.tensors import Tensors

OWN, TIMER = "gradbench", "Timer"
QUIET_SHARE, BUSY_SHARE = 1.0, 0.1
"""Of the better Timer's spread, what gradbench's may be at most."""

ARMS = ("baseline", "candidate", "twin")
"""In the order in which an instrument that does not interleave measures them."""

Times = dict[str, float]
"""Seconds of each arm; gradbench, which pairs, gives 1 to the baseline."""


# --- The instruments ------------------------------------------------------------------------------


def by_gradbench(block: Block, seconds: float) -> Times:
    """Interleave rounds on fresh allocations, zeroing and controls in the same seconds."""
    measured = measure_block(block, lambda *_: None)
    for outcome in measured.outcomes:
        if outcome.status != "ok":
            raise RuntimeError(f"{outcome.cell.name} is {outcome.status}: {outcome.reason}")
    assert measured.isolated is not None
    names = {str(cell.role): cell.name for cell in block.cells}
    paired = Paired(measured.isolated.samples, names[ARMS[0]])
    return {arm: paired.ratio(names[arm], names[ARMS[0]]).estimate for arm in ARMS[1:]} | {
        ARMS[0]: 1.0
    }


def calls(block: Block) -> dict[str, Callable[[], object]]:
    """Bind the arms to fresh tensors, which they share; each call returns when its work is done."""
    axes = instantiate_axes(block)
    module, batch = build_model(block, axes)
    named = dict(module.named_parameters())
    shapes = [named[name].shape for name in trained_parameters(module, batch)]
    where, zeroing = axes.device.torch_device, axes.zeroings[block.default_zeroing]
    tensors = Tensors.allocate(shapes, getattr(torch, block.dtype), where, axes.rule)
    bound: dict[str, Callable[[], object]] = {}
    for cell in block.cells:
        if cell.role in ARMS:
            strategy = axes.strategies[cell.strategy]
            step, _ = bind_with_gradients(strategy, zeroing, axes.rule, tensors)
            bound[cell.role] = step if where.type == "cpu" else partial(finish, step)
    return {arm: bound[arm] for arm in ARMS}


def finish(step: Callable[[], object]) -> None:
    """Make a step and wait for it, as tools that know no device need it."""
    step()
    torch.cuda.synchronize()


def by_timer(block: Block, seconds: float, *, adaptive: bool) -> Times:
    """Time one arm after another, as Timer's recipe shows it: medians."""
    threads = torch.get_num_threads()  # Timer sets one thread unless told
    medians = {}
    for arm, call in calls(block).items():
        timer = Timer("f()", globals={"f": call}, num_threads=threads)
        share = seconds / len(ARMS)
        medians[arm] = (
            timer.adaptive_autorange(max_run_time=share)  # may stop early
            if adaptive
            else timer.blocked_autorange(min_run_time=share)
        ).median
    return medians


def by_pytest_benchmark(block: Block, seconds: float) -> Times:
    """Use the fixture as a test would, with its defaults but for the time: medians."""
    from pytest_benchmark.fixture import BenchmarkFixture

    def silent(*_: object, **__: object) -> None:
        return None

    make: Any = BenchmarkFixture  # not annotated
    taken = inspect.signature(BenchmarkFixture.__init__).parameters
    medians = {}
    for arm, call in calls(block).items():
        given: dict[str, Any] = {
            **dict.fromkeys(name for name in taken if name not in ("self", "group")),
            "node": SimpleNamespace(name="update", nodeid="update"),
            "timer": SimpleNamespace(target=time.perf_counter),
            **{"disable_gc": False, "warmup": False, "warmup_iterations": 100_000},
            **{"min_rounds": 5, "min_time": 0.000005, "max_time": seconds / len(ARMS)},
            **{"calibration_precision": 10, "disabled": False},
            **{"add_stats": silent, "warner": silent},
            "logger": SimpleNamespace(debug=silent, warning=silent, info=silent),
        }
        benchmark = make(**{name: value for name, value in given.items() if name in taken})
        benchmark(call)
        medians[arm] = float(benchmark.stats.stats.median)
    return medians


def by_pyperf(block: Block, seconds: float) -> Times:
    """Take means over fresh processes of a few long values in each.

    pyperf's own manager starts an interpreter for each, and importing torch takes longer than the
    values do. Here they are forked from one that has imported it and computed nothing.
    """
    answer = subprocess.run(
        [sys.executable, "-c", _BEGIN, __file__, str(seconds)],
        input=json.dumps(asdict(block)).encode(),
        env=dict([COUNTED_BY_NVML]) | os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
    )
    if answer.returncode:
        raise RuntimeError(answer.stderr.decode(errors="replace").strip().splitlines()[-1])
    means: Times = json.loads(answer.stdout.splitlines()[-1])
    return means


_BEGIN = """
import json, sys
from pathlib import Path
import pyperf, torch._dynamo  # which an optimizer imports
from gradbench.observing.experiment import load_file
load_file(Path(sys.argv[1])).fork_pyperf(json.load(sys.stdin), float(sys.argv[2]))
"""


def fork_pyperf(given: dict[str, Any], seconds: float) -> None:
    """Fork processes while seconds of sampling are left, and print the means of their values."""
    block = Block(**{**given, "cells": tuple(Cell(**cell) for cell in given["cells"])})
    fork = partial(ProcessPoolExecutor, 1, mp_context=multiprocessing.get_context("fork"))

    def ask(arm: str, *options: str) -> tuple[int, list[float], float]:
        with fork() as pool:
            return pool.submit(pyperf_worker, block, arm, options).result()

    chosen = {arm: ask(arm, "--calibrate-loops") for arm in ARMS}
    spent, longest = sum(took_s for *_, took_s in chosen.values()), 0.0
    values: dict[str, list[float]] = {arm: [] for arm in ARMS}
    while not longest or spent + longest <= seconds:
        round_s = 0.0
        for arm in ARMS:
            loops = chosen[arm][0]
            _, seen, took_s = ask(arm, "--loops", str(loops), "--warmups=1", "--values=3")
            values[arm] += seen
            round_s += took_s
        spent, longest = spent + round_s, max(longest, round_s)
    print(json.dumps({arm: float(np.mean(seen)) for arm, seen in values.items()}))


def pyperf_worker(block: Block, arm: str, options: Sequence[str]) -> tuple[int, list[float], float]:
    """Run pyperf's worker in this process: its loops per value, its values, the seconds it took."""
    import pyperf

    if block.threads is not None:
        torch.set_num_threads(block.threads)
    call = calls(block)[arm]
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it finds
        runner = pyperf.Runner()
        runner.parse_args(["--worker", "--quiet", *options])
        benchmark = runner.bench_func(arm, call)
    took_s = time.perf_counter() - start
    loops = benchmark.get_metadata().get("calibrate_loops", 0)
    return int(loops), [] if loops else [float(value) for value in benchmark.get_values()], took_s


INSTRUMENTS: Mapping[str, Callable[[Block, float], Times]] = {
    OWN: by_gradbench,
    f"{TIMER}, blocked": partial(by_timer, adaptive=False),
    f"{TIMER}, adaptive": partial(by_timer, adaptive=True),
    "pytest-benchmark": by_pytest_benchmark,
    "pyperf": by_pyperf,
}


# --- The comparison -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Compared(Observation):
    """What the instruments said of one pair under one load.

    Args:
        repeats: JSON: by instrument, for each repeat, the ratio and the seconds that it took.
    """

    repeats: str


Said = Mapping[str, Sequence[tuple[float, float]]]
"""By instrument: the ratio of each repeat, and the seconds that it took, set-up included."""


def observe(
    device: torch.device,
    repeats: int = 5,
    seconds: float = 2.0,
    hogs: Sequence[int] = (0, 2),
    without: Sequence[str] = (),
    model: str = "mlp_small",
    rule: str = "sgd",
) -> Iterator[Observation]:
    """Have all instruments measure by turns, and hold gradbench's spread against Timer's."""
    if repeats < 2:
        raise BadRequest(f"repeats={repeats}: choose 2 or more, a spread needs two")
    if not 0 < seconds < 86_400:
        raise BadRequest(f"seconds={seconds:g}: choose a number above 0, at most a day")
    if not hogs or not all(count in range(MOST_HOGS + 1) for count in hogs):
        raise BadRequest(f"hogs={hogs}: choose numbers from 0 to {MOST_HOGS}, such as [0,2]")
    for name in without:
        if name not in INSTRUMENTS:
            raise BadRequest(f"without={name}: choose from {', '.join(map(repr, INSTRUMENTS))}")
    used = {name: measure for name, measure in INSTRUMENTS.items() if name not in without}
    for name in list(used):
        package = name.replace("-", "_")
        if name in ("pytest-benchmark", "pyperf") and importlib.util.find_spec(package) is None:
            del used[name]
            yield Observation(
                case=name,
                expected="measures",
                outcome="left out",
                verdict=Verdict.skipped,
                message="it is not installed: pip install 'torch-gradbench[instruments]'",
            )
    block = plan(device, seconds, model, rule)
    names = {cell.role: cell.strategy for cell in block.cells}
    pairs = {
        "candidate": f"{names['baseline']} / {names['candidate']}",
        "twin": f"{names['baseline']} / {names['baseline']}, again",
    }
    source = f"gradbench's own aim; {model} · {rule}, {seconds:g} s for each instrument"
    for (load, arm), said in measure(block, used, repeats, seconds, sorted(set(hogs))).items():
        yield judge(load, pairs[arm], said, source)


def plan(device: torch.device, seconds: float, model: str, rule: str) -> Block:
    """Plan the block: its baseline, that again, and the updates by lists of tensors."""
    index = [f"device.index={device.index or 0}"] if device.type == "cuda" else []
    settings = {"budget_s": seconds, "training_share": 0.0, "training_steps": 1}
    return plan_block(
        compose_configuration(
            [
                *(f"model={model}", f"rule={rule}", f"device={device.type}", *index),
                *("strategy=[foreach]", "zeroing=[set_to_none]", "run=instruments"),
                f"threads={torch.get_num_threads()}",
                *(f"measurement.{name}={value}" for name, value in settings.items()),
            ]
        )
    )


def measure(
    block: Block,
    instruments: Mapping[str, Callable[[Block, float], Times]],
    repeats: int,
    seconds: float,
    loads: Sequence[int],
) -> dict[tuple[int, str], Said]:
    """Repeat the measurement: loads by turns, so that drift favours none, instruments at random."""
    said: dict[tuple[int, str], dict[str, list[tuple[float, float]]]] = {
        (load, arm): {name: [] for name in instruments} for load in loads for arm in ARMS[1:]
    }
    order = np.random.default_rng(block.seed)
    for repeat in range(repeats):
        for load in loads:
            with busy(load):
                for name in order.permutation(list(instruments)):
                    start = time.perf_counter()
                    times = instruments[name](replace(block, seed=block.seed + repeat), seconds)
                    took_s = time.perf_counter() - start
                    for arm in ARMS[1:]:
                        said[load, arm][name].append((times[ARMS[0]] / times[arm], took_s))
    return {key: dict(by_name) for key, by_name in said.items()}


def judge(load: int, pair: str, said: Said, source: str = "") -> Observation:
    """Hold the spread of gradbench against that of the better Timer."""
    logs = {name: np.log([ratio for ratio, _ in told]) for name, told in said.items()}
    spreads = {name: float(np.std(values, ddof=1)) for name, values in logs.items()}
    share = QUIET_SHARE if load == 0 else BUSY_SHARE
    own = spreads.get(OWN)
    timer = min((s for name, s in spreads.items() if name.startswith(TIMER)), default=None)
    verdict, outcome = Verdict.skipped, "one of them was left out"
    if own is not None and timer is not None:
        verdict = claim(own <= share * timer)
        outcome = f"{own / timer:.2f} times"
    return Compared(
        case=f"{load_name(load)}: {pair}",
        expected=f"a spread of {share:g} times Timer's at most",
        outcome=outcome,
        verdict=verdict,
        message="; ".join(f"{name} {percent(value)}" for name, value in spreads.items()),
        source=source,
        repeats=json.dumps(said),
    )


if __name__ == "__main__":
    main(observe)
