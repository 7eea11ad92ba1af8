import math
from pathlib import Path

import pandas as pd
import pytest

from gradbench.calibration.block import IDENTICAL, PLANTED, Calibrated, plan_calibration
from gradbench.calibration.table import calibration_rows, cell_of
from gradbench.errors import BadRequest
from gradbench.report.calibration import calibration_lines, calibration_table, percent
from gradbench.results.latest import latest_calibrations
from gradbench.results.load import load
from gradbench.results.schema import CALIBRATION
from gradbench.results.store import Store
from tests.calibration.simulated import BASELINE, samples


@pytest.fixture(scope="module")
def calibrated() -> Calibrated:
    return plan_calibration(["measurement.replicates=12"], 3.0, "r")


@pytest.fixture(scope="module")
def planted(calibrated: Calibrated) -> pd.DataFrame:
    block = calibrated.block
    return pd.DataFrame(
        {
            "run": "r",
            "host": block.host,
            "device": "cpu",
            "device_name": "a processor",
            "strategy": list(PLANTED),
            "fraction": list(PLANTED.values()),
            "difference": list(PLANTED.values()),
            "torch_version": "2",
            "recorded_at": "2026-01-01T00:00:00+00:00",
        }
    )


@pytest.fixture(scope="module")
def rows(calibrated: Calibrated, planted: pd.DataFrame) -> list[dict[str, object]]:
    same = {"twin": 1.0, **{cell_of(calibrated, name): 1.0 for name in IDENTICAL}}
    slow = {cell_of(calibrated, name): 1 + size for name, size in PLANTED.items()}
    frames = [
        samples({**same, **slow}, replicates=16, between=between, within=0.002, hogs=hogs, seed=1)
        for hogs, between in ((0, 0.002), (2, 0.05))
    ]
    return calibration_rows(calibrated, pd.concat(frames), planted)


def stated(rows: list[dict[str, object]], hogs: int) -> dict[str, object]:
    found = [row for row in rows if row["stated"] and row["hogs"] == hogs]
    assert len(found) == 1
    return found[0]


def test_known_differences_are_found_and_noise_is_not(rows: list[dict[str, object]]) -> None:
    quiet, busy = stated(rows, 0), stated(rows, 2)
    assert quiet["runs"] == 6
    assert quiet["intervals"] == 6 * (3 + len(PLANTED))
    assert quiet["identical"] == 18
    assert quiet["coverage"] >= 0.9  # type: ignore[operator]
    assert quiet["detectable_difference"] in (0.01, 0.015)
    assert busy["coverage"] >= 0.9  # type: ignore[operator]
    assert busy["detectable_difference"] in (0.05, 0.1)
    assert busy["half_width"] > 3 * quiet["half_width"]  # type: ignore[operator]


def test_early_stopping_is_replayed(rows: list[dict[str, object]]) -> None:
    assert stated(rows, 0)["replicates"] < 16  # type: ignore[operator]
    assert stated(rows, 2)["replicates"] == 16
    assert "1 %" in str(stated(rows, 0)["stopping"])


def test_rows_are_stored_and_the_last_are_found(
    rows: list[dict[str, object]], tmp_path: Path
) -> None:
    old = [{**row, "recorded_at": "2020-01-01T00:00:00+00:00", "coverage": 0.1} for row in rows]
    # Older files judge other methods beside the stated one, and say so.
    old += [{**row, "recorded_at": "9", "estimator": "mean", "stated": False} for row in rows]
    store = Store(tmp_path / "results" / "r")
    store.write(CALIBRATION, "old", old)
    store.write(CALIBRATION, "new", rows)
    latest = latest_calibrations(tmp_path / "results")
    assert list(latest["hogs"]) == [0, 2]
    assert (latest["coverage"] > 0.5).all()
    (tmp_path / "results" / "other" / "cells").mkdir(parents=True)
    assert len(latest_calibrations(tmp_path / "results" / "other")) == 2
    assert len(latest_calibrations(tmp_path / "results" / "other" / "cells")) == 0
    host = str(rows[0]["host"])
    cells = pd.DataFrame({"host": [host, "b"], "device": ["cpu", "cuda"], "speedup": [2.0, 1.0]})
    quiet, busy = calibration_lines(latest, cells)
    assert "quiet" in quiet
    assert f"{percent(latest['coverage'][0])} of 66 held" in quiet
    assert "2 busy processes" in busy
    stored = load(tmp_path / "results", CALIBRATION)
    assert calibration_table(stored).row_count == 4


def test_the_block_holds_the_baseline_under_other_names(calibrated: Calibrated) -> None:
    options = calibrated.block.options["strategy"]
    assert calibrated.block.cells[0].name == BASELINE
    assert all(options[name] == options["no_grad"] for name in IDENTICAL)
    assert {options[name]["fraction"] for name in PLANTED} == set(PLANTED.values())
    assert calibrated.precision == 0.01
    assert calibrated.settings["precision"] < 1e-5
    assert calibrated.again(2).seed == calibrated.block.seed + 2


@pytest.mark.parametrize(
    ("override", "named"), [("model=bogus", "mlp_small"), ("rule.lr=fast", None), ("a=b", "a")]
)
def test_wrong_overrides_are_refused(override: str, named: str | None) -> None:
    if named is None:  # composes; its object refuses it in the worker
        plan_calibration([override], 1.0, "r")
        return
    with pytest.raises(BadRequest, match=named):
        plan_calibration([override], 1.0, "r")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.inf, "∞"),
        (None, "–"),
        (math.nan, "–"),
        (0.95, "95 %"),
        (0.018, "1.8 %"),
        (0.00123, "0.12 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
    ],
)
def test_percent(value: float | None, text: str) -> None:
    assert percent(value) == text
