import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import gradbench
from gradbench.errors import BadRequest
from gradbench.statistics.sample import Sample
from tests.experiments.loading import load_experiment

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
EXPERIMENT: Any = load_experiment("instruments.py")


@pytest.mark.parametrize("name", list(EXPERIMENT.INSTRUMENTS))
def test_instruments_agree_on_a_large_speedup(name: str) -> None:
    block = EXPERIMENT.plan(CPU, 0.1, "mlp_deep", "sgd")
    times = EXPERIMENT.INSTRUMENTS[name](block, 0.1)
    assert set(times) == set(EXPERIMENT.ARMS)
    # 200 tensors: one list step is several times as fast as a Python loop.
    assert times["candidate"] < times["twin"] / 1.2


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
    measured = SimpleNamespace(outcomes=[], isolated=SimpleNamespace(samples=samples))
    monkeypatch.setattr(EXPERIMENT, "measure_block", lambda *_: measured)
    times = EXPERIMENT.by_gradbench(block, 0.1)
    assert times == {"baseline": 1.0, "candidate": pytest.approx(0.5), "twin": 1.0}


@pytest.mark.parametrize(
    ("load", "own", "timer", "verdict"),
    [
        (0, 0.01, 0.01, "confirmed"),
        (0, 0.02, 0.01, "refuted"),
        (2, 0.01, 0.1, "confirmed"),
        (2, 0.02, 0.1, "refuted"),
    ],
)
def test_verdicts_follow_the_spreads(load: int, own: float, timer: float, verdict: str) -> None:
    spreads = {"gradbench": own, "Timer, blocked": timer, "Timer, adaptive": 5.0, "pyperf": 1e-9}
    said = {name: [(np.exp(-s), 1.0), (np.exp(s), 1.0)] for name, s in spreads.items()}
    seen = EXPERIMENT.judge(load, "a / b", said)
    assert seen.verdict.value == verdict
    assert json.loads(seen.repeats)["pyperf"] == [[pytest.approx(1.0), 1.0]] * 2


def test_without_timer_nothing_is_claimed() -> None:
    seen = EXPERIMENT.judge(0, "a / b", {"gradbench": [(1.0, 1.0), (1.1, 1.0)]})
    assert seen.verdict.value == "skipped"


def says(**seconds: float) -> Callable[..., dict[str, float]]:
    return lambda block, budget: {"baseline": 2.0, **seconds}


def test_every_load_has_every_repeat_of_every_instrument() -> None:
    block = EXPERIMENT.plan(CPU, 0.1, "linear", "sgd")
    fakes = {"a": says(candidate=1.0, twin=2.0), "b": says(candidate=4.0, twin=2.0)}
    said = EXPERIMENT.measure(block, fakes, 3, 0.1, [0, 1])
    assert set(said) == {(load, arm) for load in (0, 1) for arm in ("candidate", "twin")}
    ratios = {name: [ratio for ratio, _ in told] for name, told in said[1, "candidate"].items()}
    assert ratios == {"a": [2.0] * 3, "b": [0.5] * 3}


def test_an_instrument_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    used: list[str] = []
    monkeypatch.setattr(EXPERIMENT, "measure", lambda block, given, *_: used.extend(given) or {})
    seen = list(EXPERIMENT.observe(CPU, model="linear"))
    assert [observation.case for observation in seen] == ["pytest-benchmark", "pyperf"]
    assert all("pip install" in observation.message for observation in seen)
    assert used == ["gradbench", "Timer, blocked", "Timer, adaptive"]


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
        "quiet: optimizer / foreach",
        "quiet: optimizer / optimizer, again",
    ]
    assert (rows["threads"] == 1).all()
    for repeats in rows["repeats"]:
        said = json.loads(repeats)
        assert set(said) == set(EXPERIMENT.INSTRUMENTS) - {"pyperf"}
        assert all(len(told) == 2 and min(map(min, told)) > 0 for told in said.values())
