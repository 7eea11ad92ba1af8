from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradbench.errors import BadRequest
from gradbench.instruments.comparison import INSTRUMENTS, Comparison
from gradbench.instruments.subject import CANDIDATE, TWIN, Subject
from gradbench.report.instruments import instrument_page, instrument_table, summarise, verdicts
from gradbench.request.block import Block
from gradbench.results.load import load
from gradbench.results.schema import INSTRUMENT
from gradbench.results.store import Store

OVERRIDES = ("model=mlp_deep", "strategy=[foreach]", "zeroing=[set_to_none]")
Plan = Callable[..., Block]


@pytest.fixture
def subject(plan: Plan) -> Subject:
    return Subject.of(plan(*OVERRIDES, "measurement.replicates=2", "measurement.min_replicates=2"))


@pytest.mark.parametrize("name", list(INSTRUMENTS))
def test_instruments_agree_on_a_large_speedup(subject: Subject, name: str) -> None:
    measure, _ = INSTRUMENTS[name]
    ratios = measure(subject, 0.1, 0)
    assert set(ratios) == {CANDIDATE, TWIN}
    # 200 tensors: one list step is several times as fast as a Python loop.
    assert ratios[CANDIDATE] > 1.2 * ratios[TWIN]


def fake(**ratios: list[float]) -> dict[str, object]:
    """Instruments that say what they are told, repeat by repeat."""

    def instrument(said: list[float]) -> object:
        left = iter(said)
        return lambda subject, seconds, seed: {CANDIDATE: next(left), TWIN: 1.0}

    return {name.replace("_", " "): (instrument(said), None) for name, said in ratios.items()}


def compare(subject: Subject, folder: Path, **ratios: list[float]) -> pd.DataFrame:
    said: list[str] = []
    comparison = Comparison(
        subject,
        Store(folder),
        repeats=len(next(iter(ratios.values()))),
        seconds=0.1,
        loads=[0],
        say=said.append,
        instruments=fake(**ratios),  # type: ignore[arg-type]
    )
    comparison.measure()
    comparison.measure()  # all kept: the fakes have nothing more to say
    assert sum("kept" in line for line in said) == comparison.repeats
    return load(folder, INSTRUMENT)


def test_spread_and_bias_are_those_of_the_ratios(subject: Subject, tmp_path: Path) -> None:
    rows = compare(
        subject,
        tmp_path,
        gradbench=[2.0, 2.0, 2.02],
        Timer_blocked=[1.0, 2.0, 4.0],
        pytest_benchmark=[2.2, 2.2, 2.2],
    )
    summary = summarise(rows).set_index(["pair", "instrument"])
    real = summary.loc["optimizer / foreach"]
    assert real.loc["Timer blocked", "spread"] == pytest.approx(np.log(2))
    assert real.loc["gradbench", "spread"] == pytest.approx(np.std(np.log([2, 2, 2.02]), ddof=1))
    assert real.loc["gradbench", "truth"] == pytest.approx(2.0)  # median of 2, 2 and 2.2
    assert real.loc["pytest benchmark", "bias"] == pytest.approx(np.log(1.1))
    again = summary.loc["optimizer / optimizer, again"]
    assert (again["truth"] == 1.0).all()
    assert (again["bias"] == 0.0).all()
    sentence = verdicts(summary.reset_index())[0]
    assert "quiet, `optimizer / foreach`" in sentence
    assert "met" in sentence
    assert instrument_table(summary.reset_index()).row_count == 6
    assert "| quiet | `optimizer / foreach` | Timer blocked | 3 | 2.000 | 69 %" in (
        instrument_page(rows)
    )


def test_a_more_scattered_gradbench_misses_the_aim(subject: Subject, tmp_path: Path) -> None:
    rows = compare(subject, tmp_path, gradbench=[1.0, 2.0], Timer_blocked=[2.0, 2.1])
    assert "missed" in verdicts(summarise(rows))[0]


def test_an_instrument_that_is_not_installed_is_left_out(subject: Subject, tmp_path: Path) -> None:
    said: list[str] = []
    own = fake(gradbench=[1.0])["gradbench"]
    absent = {"gradbench": own, "absent": (lambda *_: {}, "no-such-package")}
    Comparison(
        subject,
        Store(tmp_path),
        1,
        0.1,
        [0],
        said.append,
        absent,  # type: ignore[arg-type]
    ).measure()
    assert set(load(tmp_path, INSTRUMENT)["instrument"]) == {"gradbench"}
    assert "pip install" in said[0]


def test_a_device_that_is_not_there_is_refused(plan: Plan) -> None:
    with pytest.raises(BadRequest, match="CUDA"):
        Subject.of(plan(*OVERRIDES, "device=cuda", "device.index=99"))
