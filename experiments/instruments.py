"""How far do the tools that people time PyTorch with scatter, on the same speedup?

Most people who compare two ways of doing something time one, then the other, with
`torch.utils.benchmark.Timer`, pytest-benchmark or pyperf. What changes between the two (another
process, the clock frequency, a neighbour) then looks like a difference between the ways.
gradbench times both in the same rounds, leaves out samples in which it was interrupted, and
allocates anew.

Here each tool gets the same calls, the same seconds of wall time and the same machine, by turns,
again and again. What a tool says differs from repeat to repeat: the less, the more can be told from
one. A call is also held against itself, where the right answer is known: 1. "tests/benchmarks" is
how this repository's own benchmarks use pytest-benchmark: by turns on fresh tensors, one call a
round.

The wall time begins once the calls are bound and ends with the tool's answer. One that stops early
is asked again for what is left; one that takes longer than it was asked to is asked for less; all
of its samples are its answer. pyperf forks processes from one that has imported torch, while time
is left. gradbench binds its own calls: building the model and verifying are counted, and examining
its strategies, which a sweep does once, is not.

Beside three busy processes on two processors every call takes the time of a scheduler's slice, so
that the median of any ratio reads 1, again and again. There a small spread is no merit: a tool must
be right or say that it does not know. So gradbench's interval, whatever the load, is held against
what gradbench says of a quiet machine.

A virtual machine's processors are moved, for seconds or minutes, to where they share a cache and to
where they do not, and the speedup itself changes: mlp_small · sgd by foreach, 2.39 [2.36, 2.42]
together and 2.17 [2.14, 2.20] apart, in two runs of gradbench. So the exchange control is timed
before and after each instrument's turn: readings are held against those of the same place, and
those during which the processors were moved are left out, whichever instrument's they are.

Every ratio is stored, in the column `repeats`; experiments/instruments.md sums them up.

Sources: documentation of torch.utils.benchmark (its recipe compares medians), pytest-benchmark
(calibration, rounds), pyperf ("Run a benchmark": processes, warmups, values).
"""

from __future__ import annotations

import gc
import importlib.util
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace

import numpy as np
import torch

from gradbench.block.axes import instantiate_axes
from gradbench.calibration.hogs import busy
from gradbench.cli.commands.calibrate import MOST_HOGS
from gradbench.errors import BadRequest
from gradbench.observing.cases import claim
from gradbench.observing.forked_pyperf import pyperf_server
from gradbench.observing.instruments import ARMS, SAMPLING, Instrument
from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.own_instrument import Gradbench
from gradbench.observing.readings import (
    PLACES,
    Reading,
    Said,
    by_place,
    enough_hold,
    least_exchange_s,
    middle,
    spread,
    written,
)
from gradbench.observing.script import main
from gradbench.report.calibration import load_name, percent
from gradbench.request.block import Block
from gradbench.request.hydra_app import compose_configuration
from gradbench.request.plan import plan_block
from gradbench.timing.exchange import exchange_clock

OWN, PYPERF = "gradbench", "pyperf"
INSTRUMENTS = (OWN, *SAMPLING, PYPERF)
PACKAGES = {"pytest-benchmark": "pytest_benchmark", "tests/benchmarks": "pytest_benchmark"} | {
    PYPERF: "pyperf"
}
"""What has to be installed, by instrument."""

AIMS: Mapping[int, Mapping[str, float]] = {
    0: dict.fromkeys(INSTRUMENTS[1:], 1.0),
    2: {"Timer, blocked": 0.1, "Timer, adaptive": 0.1, "pytest-benchmark": 1.0},
}
"""By number of busy processes and instrument: of its spread, what gradbench's may be at most."""

Instruments = Mapping[str, Instrument]


@dataclass(frozen=True, kw_only=True)
class Compared(Observation):
    """What the instruments said of one pair under one load.

    Args:
        repeats: JSON: by instrument, for each repeat, the ratio, the seconds that it took, and of
            gradbench the ends of the interval; last what the exchange control took before and
            after, in seconds.
    """

    repeats: str


def observe(
    device: torch.device,
    repeats: int = 8,
    seconds: float = 4.0,
    hogs: Sequence[int] = (0, 1, 2, 3),
    without: Sequence[str] = (),
    model: str = "mlp_small",
    rule: str = "sgd",
) -> Iterator[Observation]:
    """Have all instruments measure by turns, and judge gradbench's spread and its intervals."""
    if repeats < 2:
        raise BadRequest(f"repeats={repeats}: choose 2 or more, a spread needs two")
    if not 0 < seconds < 86_400:
        raise BadRequest(f"seconds={seconds:g}: choose a number above 0, at most a day")
    if not hogs or not all(count in range(MOST_HOGS + 1) for count in hogs):
        raise BadRequest(f"hogs={hogs}: choose numbers from 0 to {MOST_HOGS}, such as [0,2]")
    for name in without:
        if name not in INSTRUMENTS:
            raise BadRequest(f"without={name}: choose from {', '.join(map(repr, INSTRUMENTS))}")
    used = []
    for name in (name for name in INSTRUMENTS if name not in without):
        if name in PACKAGES and importlib.util.find_spec(PACKAGES[name]) is None:
            yield Observation(
                case=name,
                expected="measures",
                outcome="left out",
                verdict=Verdict.skipped,
                message="it is not installed: pip install 'torch-gradbench[instruments]'",
            )
        else:
            used.append(name)
    block = plan(device, seconds, model, rule)
    names = {cell.role: cell.strategy for cell in block.cells}
    pairs = {
        "candidate": f"{names['baseline']} / {names['candidate']}",
        "twin": f"{names['baseline']} / {names['baseline']}, again",
    }
    loads = sorted(set(hogs))
    gc.collect()
    gc.freeze()  # what is imported is no garbage: looking through it would take gradbench's time
    with ExitStack() as stack:
        pyperf = {PYPERF: stack.enter_context(pyperf_server())} if PYPERF in used else {}

        def under_a_load() -> Instruments:
            every: Instruments = {OWN: Gradbench(), **SAMPLING, **pyperf}
            return {name: every[name] for name in used}

        seen = measure(block, {load: under_a_load() for load in loads}, repeats, seconds)
    source = f"gradbench's own aim; {model} · {rule}, {seconds:g} s for each instrument"
    least_s = least_exchange_s(seen.values())
    for arm, pair in pairs.items():
        quietest = by_place(seen[loads[0], arm].get(OWN, ()), least_s)
        truths = {place: middle(readings) for place, readings in quietest.items()}
        if arm == "twin":
            truths = dict.fromkeys(PLACES, 1.0)
        for load in loads:
            said = seen[load, arm]
            yield judge_intervals(load, pair, said, truths, least_s, loads[0], source)
            if load in AIMS:
                yield judge_spread(load, pair, said, least_s, source)


def plan(device: torch.device, seconds: float, model: str, rule: str) -> Block:
    """Plan the block: its baseline, that again, and the updates by lists of tensors."""
    index = [f"device.index={device.index or 0}"] if device.type == "cuda" else []
    settings = {
        **{"budget_s": seconds, "training_share": 0.0, "training_steps": 0},
        "precision": 1e-6,  # all of the time is to be used
        "noise": math.inf,  # and no more
    }
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
    instruments: Mapping[int, Instruments],
    repeats: int,
    seconds: float,
    beside: Callable[[int], AbstractContextManager[object]] = busy,
) -> dict[tuple[int, str], Said]:
    """Repeat the measurement: loads by turns, so that drift favours none, instruments at random.

    Args:
        block: What to measure.
        instruments: By load, in busy processes, and name.
        repeats: How often, under each load.
        seconds: Wall time of each measurement.
        beside: Keeps that many processes busy.

    Returns:
        By load and arm, what every instrument said.
    """
    said: dict[tuple[int, str], dict[str, list[Reading]]] = {
        (load, arm): {name: [] for name in named}
        for load, named in instruments.items()
        for arm in ARMS[1:]
    }
    order = np.random.default_rng(block.seed)
    exchange_s = exchange_clock(instantiate_axes(block).device.torch_device)
    for repeat in range(repeats):
        for load, named in instruments.items():
            for name in order.permutation(list(named)):
                before_s = exchange_s()  # not beside others: there it tells of them
                with beside(load):
                    answer = named[name](replace(block, seed=block.seed + repeat), seconds)
                after_s = exchange_s()
                lay = None if before_s is None or after_s is None else (before_s, after_s)
                for arm in ARMS[1:]:
                    said[load, arm][name].append(replace(answer[arm], exchange_s=lay))
    return {key: dict(by_name) for key, by_name in said.items()}


def judge_intervals(
    load: int,
    pair: str,
    said: Said,
    truths: Mapping[str, float],
    least_s: float,
    least: int,
    source: str,
) -> Observation:
    """Hold gradbench's intervals against what it says under the least load, 1 of a twin.

    Args:
        load: Busy processes.
        pair: What was compared.
        said: Readings of all instruments.
        truths: What is right, by place of the processors; readings of others are not judged.
        least_s: Time of the exchange control where processors lie together, in seconds.
        least: The least load.
        source: Where the claim is from.
    """
    own = by_place(said.get(OWN, ()), least_s)
    held = [r.holds(truths[place]) for place in own if place in truths for r in own[place]]
    verdict, outcome, message = Verdict.skipped, "gradbench was left out", ""
    if held:
        verdict = claim(enough_hold(sum(held), len(held)))
        outcome = f"{sum(held)} of {len(held)} hold it"
        widths = [r.high / r.low for r in said[OWN] if r.low and r.high is not None]
        message = "; ".join(
            [
                *(
                    f"gradbench says {middle(own[place]):.3f}, {load_name(least)} "
                    f"{truths[place]:.3f} (processors {place})"
                    for place in own
                    if place in truths
                ),
                "its intervals are "
                f"{percent(float(np.median(widths)) - 1) if widths else '∞'} wide",
            ]
        )
    elif OWN in said:
        outcome = f"the processors lay nowhere as they did {load_name(least)}"
    return Compared(
        case=f"{load_name(load)}: interval of {pair}",
        expected="95 % of gradbench's intervals hold what is right",
        outcome=outcome,
        verdict=verdict,
        message=message,
        source=source,
        repeats=written(said),
    )


def judge_spread(load: int, pair: str, said: Said, least_s: float, source: str) -> Observation:
    """Hold the spread of gradbench against that of the others, within places of the processors."""
    spreads = {name: spread(by_place(told, least_s).values()) for name, told in said.items()}
    aims, own = AIMS[load], spreads.get(OWN)
    compared = {name: spreads[name] for name in aims if math.isfinite(spreads.get(name, math.nan))}
    verdict, outcome = Verdict.skipped, "one of them was left out"
    if own is not None and math.isfinite(own) and len(compared) == len(aims):
        verdict = claim(all(own <= aims[name] * value for name, value in compared.items()))
        least = min(compared, key=lambda name: aims[name] * compared[name])
        outcome = f"{own / compared[least]:.2f} of that of {least}"
    return Observation(
        case=f"{load_name(load)}: spread of {pair}",
        expected="gradbench's spread is at most "
        + "; ".join(
            f"{share:g} of that of {' and '.join(repr(n) for n in aims if aims[n] == share)}"
            for share in sorted(set(aims.values()))
        ),
        outcome=outcome,
        verdict=verdict,
        message="; ".join(f"{name} {percent(value)}" for name, value in spreads.items()),
        source=source,
    )


if __name__ == "__main__":
    main(observe)
