import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import Parameter

import gradbench
from gradbench.block.measured import Measured
from gradbench.errors import BadRequest
from gradbench.observing import own_instrument
from gradbench.observing.forked_pyperf import pyperf_server
from gradbench.observing.instruments import SAMPLING, Instrument
from gradbench.observing.own_instrument import Gradbench
from gradbench.observing.readings import Reading
from gradbench.rules.base import Rule, Slots
from gradbench.statistics.sample import Sample
from gradbench.strategies.base import Binding, Strategy
from gradbench.timing.isolated import IsolatedResult
from tests.conftest import make
from tests.experiments.loading import load_experiment

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
EXPERIMENT: Any = load_experiment("instruments.py")


OWN = "gradbench"


class Planted(Strategy):
    """Each step sleeps for so long, beside which what the machine does is little."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def supports(self, *_: object) -> None:
        return None

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        right = make("strategy", "no_grad").bind(rule, parameters, slots)

        def step() -> None:
            time.sleep(self.seconds)
            right.step()

        return Binding(step)


@pytest.mark.parametrize("name", EXPERIMENT.INSTRUMENTS)
def test_instruments_see_a_huge_difference(name: str) -> None:
    planted = f"{__name__}.{Planted.__name__}"
    block = EXPERIMENT.plan(CPU, 0.5, "linear", "sgd")
    strategies = {
        "optimizer": {"_target_": planted, "seconds": 0.005},
        "foreach": {"_target_": planted, "seconds": 0.0},
    }
    block = replace(block, options={**block.options, "strategy": strategies})
    with ExitStack() as stack:
        measure = {OWN: Gradbench(), **SAMPLING}.get(name)
        answer = (measure or stack.enter_context(pyperf_server()))(block, 0.5)
    assert set(answer) == {"candidate", "twin"}
    assert answer["candidate"].ratio > 2 * answer["twin"].ratio
    assert (answer["candidate"].low is not None) is (name == OWN)
    assert answer["candidate"].wall_s > 0


def test_pyperf_says_what_went_wrong() -> None:
    block = EXPERIMENT.plan(CPU, 0.1, "linear", "sgd")
    broken = replace(block, threads=-1)
    with pyperf_server() as measure:
        with pytest.raises(RuntimeError, match="threads"):
            measure(broken, 0.1)
        assert measure(block, 0.1)["twin"].ratio > 0


def test_gradbench_has_a_ratio_where_no_pair_of_samples_is_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    block = EXPERIMENT.plan(CPU, 0.1, "linear", "sgd")
    seconds = {"baseline": 2e-3, "candidate": 1e-3, "twin": 2e-3, "bandwidth": 1e-3}
    samples = [
        Sample(
            cell=cell.name,
            protocol="isolated",
            replicate=0,
            round=round_,
            phase="update",
            calls=1,
            seconds=seconds[cell.role],
            host_s=seconds[cell.role],
            device_s=None,
            switched=(cell.role, round_) in (("baseline", 0), ("candidate", 1)),
        )
        for round_ in range(2)
        for cell in block.cells
    ]
    measured = Measured([], isolated=IsolatedResult(samples=samples))
    monkeypatch.setattr(own_instrument, "measure_block", lambda *_, **__: measured)
    rows = [{"role": role, "speedup": None} for role in ("candidate", "twin")]
    monkeypatch.setattr(own_instrument, "cell_rows", lambda *_: rows)
    answer = Gradbench(examined={"x": None}, besides_s=[0.0])(block, 0.1)  # type: ignore[dict-item]
    assert answer["candidate"].ratio == pytest.approx(2.0)
    assert answer["candidate"].holds(100.0)  # of one replicate it knows nothing
    assert answer["twin"].ratio == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("load", "own", "others", "verdict"),
    [
        (0, 0.01, {}, "confirmed"),
        (0, 0.01, {"pyperf": 0.009}, "refuted"),
        (0, 0.01, {"tests/benchmarks": 0.009}, "refuted"),
        (2, 0.01, {"pyperf": 0.001}, "confirmed"),
        (2, 0.011, {}, "refuted"),  # a tenth of the better Timer's
        (2, 0.009, {"pytest-benchmark": 0.008}, "refuted"),
    ],
)
def test_verdicts_follow_the_spreads(
    load: int, own: float, others: dict[str, float], verdict: str
) -> None:
    spreads = {
        **{OWN: own, "Timer, blocked": 0.1001, "Timer, adaptive": 5.0},
        **{"pytest-benchmark": 0.02, "tests/benchmarks": 0.02, "pyperf": 0.02},
        **others,
    }
    said = {
        name: [Reading(np.exp(-s), 1.0), Reading(np.exp(s), 1.0)] for name, s in spreads.items()
    }
    assert EXPERIMENT.judge_spread(load, "a / b", said, 0.0, "").verdict.value == verdict


@pytest.mark.parametrize(
    ("exchange_s", "verdict"),
    [
        ((8e-6, 16e-6), "confirmed"),  # two ratios of two places, each without any spread
        ((8e-6, 8e-6), "refuted"),
    ],
)
def test_spread_is_judged_within_places_of_the_processors(
    exchange_s: tuple[float, float], verdict: str
) -> None:
    def said(step: float) -> list[Reading]:
        lay = ((each_s, each_s) for each_s in exchange_s for _ in range(2))
        ratios = (2.4, 2.4 + step, 2.2, 2.2 + step)
        return [
            Reading(ratio, 1.0, exchange_s=each) for ratio, each in zip(ratios, lay, strict=True)
        ]

    others = {name: said(0.01) for name in EXPERIMENT.INSTRUMENTS if name != OWN}
    # What was moved meanwhile is left out.
    moved = Reading(9.0, 1.0, exchange_s=(8e-6, 16e-6))
    seen = {OWN: [*said(0.001), *([moved] if verdict == "confirmed" else [])], **others}
    if verdict == "refuted":  # gradbench's median jumps with a place, where others mix them
        seen |= {name: said(0.01)[:2] * 2 for name in others}
    assert EXPERIMENT.judge_spread(0, "a / b", seen, 8e-6, "").verdict.value == verdict


def test_intervals_are_held_against_what_is_right_in_their_place() -> None:
    together, apart = (8e-6, 8e-6), (16e-6, 16e-6)
    own = [
        Reading(2.4, 1.0, 2.39, 2.41, together),
        Reading(2.2, 1.0, 2.19, 2.21, apart),
        Reading(9.0, 1.0, 8.99, 9.01, (8e-6, 16e-6)),
    ]
    truths = {"together": 2.4, "apart": 2.2}
    seen = EXPERIMENT.judge_intervals(2, "a / b", {OWN: own}, truths, 8e-6, 0, "")
    assert (seen.verdict.value, seen.outcome) == ("confirmed", "2 of 2 hold it")
    elsewhere = EXPERIMENT.judge_intervals(
        2, "a / b", {OWN: own[1:]}, {"together": 2.4}, 8e-6, 0, ""
    )
    assert elsewhere.verdict.value == "skipped"
    assert "lay nowhere as they did quiet" in elsewhere.outcome


def test_without_timer_nothing_is_claimed_of_the_spread() -> None:
    said = {OWN: [Reading(1.0, 1.0), Reading(1.1, 1.0)]}
    assert EXPERIMENT.judge_spread(0, "a / b", said, 0.0, "").verdict.value == "skipped"


@pytest.mark.parametrize(
    ("interval", "verdict", "outcome"),
    [
        ((0.99, 1.01), "refuted", "0 of 4 hold it"),  # all medians read 1, and so do the intervals
        ((0.5, 3.0), "confirmed", "4 of 4 hold it"),  # it does not know
        ((1.99, 2.01), "confirmed", "4 of 4 hold it"),
    ],
)
def test_an_interval_has_to_hold_what_is_right(
    interval: tuple[float, float], verdict: str, outcome: str
) -> None:
    said = {OWN: [Reading(1.0, 1.0, *interval)] * 4, "pyperf": [Reading(1.0, 1.0)] * 4}
    seen = EXPERIMENT.judge_intervals(3, "a / b", said, {"unknown": 2.0}, 0.0, 0, "")
    assert (seen.verdict.value, seen.outcome) == (verdict, outcome)
    assert json.loads(seen.repeats)["gradbench"] == [[1.0, 1.0, *interval]] * 4


def test_without_gradbench_there_are_readings_and_no_verdict() -> None:
    said = {"pyperf": [Reading(1.0, 1.0)] * 2}
    seen = EXPERIMENT.judge_intervals(3, "a / b", said, {}, 0.0, 0, "")
    assert seen.verdict.value == "skipped"
    assert json.loads(seen.repeats) == {"pyperf": [[1.0, 1.0]] * 2}


def says(candidate: float) -> Instrument:
    return lambda block, seconds: {
        "candidate": Reading(candidate, seconds),
        "twin": Reading(1.0, seconds),
    }


def test_every_load_has_every_repeat_of_every_instrument() -> None:
    block = EXPERIMENT.plan(CPU, 0.1, "linear", "sgd")
    beside: list[int] = []
    under = {load: {"a": says(2.0 + load), "b": says(0.5)} for load in (0, 3)}
    said = EXPERIMENT.measure(block, under, 3, 0.1, lambda hogs: nullcontext(beside.append(hogs)))
    assert beside == [0, 0, 3, 3] * 3  # each of the two by itself
    assert set(said) == {(load, arm) for load in (0, 3) for arm in ("candidate", "twin")}
    every = [each for named in said.values() for told in named.values() for each in told]
    several = torch.get_num_threads() > 1
    assert all((reading.exchange_s is not None) is several for reading in every)
    ratios = {name: [each.ratio for each in told] for name, told in said[3, "candidate"].items()}
    assert ratios == {"a": [5.0] * 3, "b": [0.5] * 3}


def test_the_truth_is_what_gradbench_says_under_the_least_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def said(load: int, arm: str) -> dict[str, list[Reading]]:
        """A busy machine has it say 1.0 of everything, with a narrow interval."""
        ratio = 2.0 if (load, arm) == (0, "candidate") else 1.0
        return {OWN: [Reading(ratio, 1.0, ratio / 1.01, ratio * 1.01)] * 5}

    def measure(block: object, under: Any, *_: object) -> dict[tuple[int, str], Any]:
        return {(load, arm): said(load, arm) for load in under for arm in ("candidate", "twin")}

    monkeypatch.setattr(EXPERIMENT, "measure", measure)
    without = [name for name in EXPERIMENT.INSTRUMENTS if name != OWN]
    seen = {
        observation.case: observation.verdict.value
        for observation in EXPERIMENT.observe(CPU, hogs=[3, 0], without=without, model="linear")
    }
    pair, again = "optimizer / foreach", "optimizer / optimizer, again"
    assert seen == {
        f"quiet: interval of {pair}": "confirmed",
        f"quiet: spread of {pair}": "skipped",
        f"3 busy processes: interval of {pair}": "refuted",
        f"quiet: interval of {again}": "confirmed",
        f"quiet: spread of {again}": "skipped",
        f"3 busy processes: interval of {again}": "confirmed",
    }


def test_an_instrument_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    used: list[str] = []

    def measure(block: object, under: Any, *_: object) -> dict[Any, Any]:
        used.extend(under[0])
        reading = [Reading(1.0, 1.0), Reading(1.0, 1.0)]
        return {(0, arm): dict.fromkeys(under[0], reading) for arm in ("candidate", "twin")}

    monkeypatch.setattr(EXPERIMENT, "measure", measure)
    seen = list(EXPERIMENT.observe(CPU, model="linear", hogs=[0]))[:3]
    assert [o.case for o in seen] == ["pytest-benchmark", "tests/benchmarks", "pyperf"]
    assert all("pip install" in observation.message for observation in seen)
    assert used == [OWN, "Timer, blocked", "Timer, adaptive"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"repeats": 1}, "2 or more"),
        ({"seconds": -1.0}, "above 0"),
        ({"hogs": ["x"]}, "numbers"),
        ({"hogs": [-1]}, "numbers"),
        ({"model": "bogus"}, "mlp_small"),
        ({"without": ["stopwatch"]}, "pytest-benchmark"),
    ],
)
def test_bad_request(options: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        list(EXPERIMENT.observe(CPU, **options))


def test_it_is_stored_as_any_experiment(tmp_path: Path) -> None:
    options = {
        "repeats": 2,
        "seconds": 0.1,
        "hogs": "[0]",
        "model": "linear",
        "without": "[pyperf]",
    }
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "gradbench", "+experiment=instruments", "threads=1", "run=i"),
            *(f"experiment.instruments.{name}={value}" for name, value in options.items()),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    rows = gradbench.load(tmp_path / "results", "observations")
    assert list(rows["case"]) == [
        f"quiet: {what} of {pair}"
        for pair in ("optimizer / foreach", "optimizer / optimizer, again")
        for what in ("interval", "spread")
    ]
    assert (rows["threads"] == 1).all()
    for repeats in rows["repeats"].dropna():
        said = json.loads(repeats)
        assert set(said) == set(EXPERIMENT.INSTRUMENTS) - {"pyperf"}
        assert all(len(told) == 2 for told in said.values())
        assert {name for name, told in said.items() if len(told[0]) == 4} == {OWN}
