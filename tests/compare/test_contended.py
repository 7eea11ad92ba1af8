"""A block measured on a busy machine decides less."""

from typing import Any

import pandas as pd
import pytest

import gradbench
from gradbench.compare.gate import failures
from tests.compare.runs import TIMES, rows

SLOWED = {**TIMES, "flat": 1.2e-5}
BUSY = [{"contended": True}, {"contention": "other processes used 1.0 of 2 processors"}]


def compared(*sides: list[dict[str, Any]]) -> Any:
    return gradbench.compare(*(pd.DataFrame(side) for side in sides))


def flat(frame: pd.DataFrame) -> dict[str, Any]:
    row = frame[frame["strategy"] == "flat"].iloc[0]
    return {str(name): value for name, value in row.items()}


@pytest.mark.parametrize("busy", BUSY)
@pytest.mark.parametrize("side", [0, 1])
def test_its_ratio_must_lie_beyond_the_noise_when_widened_by_it(
    side: int, busy: dict[str, Any]
) -> None:
    sides = [rows(TIMES, noise_floor=0.1), rows(SLOWED, run="s")]
    quiet = flat(compared(*sides))
    assert quiet["relative_verdict"] == quiet["verdict"] == "slower"
    sides[side] = [{**row, **busy} for row in sides[side]]
    frame = compared(*sides)
    found = flat(frame)
    assert found["relative_verdict"] == found["verdict"] == "unclear"
    assert found["relative_ratio"] == pytest.approx(1.2)
    reach = 1 + found["noise"]
    assert found["relative_ratio_low"] == pytest.approx(quiet["relative_ratio_low"] / reach)
    assert found["relative_ratio_high"] == pytest.approx(quiet["relative_ratio_high"] * reach)
    assert found["drift_low"] == pytest.approx(quiet["drift_low"] / reach)
    for by in ("time", "baseline"):
        assert failures(frame, by=by, slower=0.05, counts=False, missing=False) == []
    why = "most of its samples were disturbed" if busy == BUSY[0] else BUSY[1]["contention"]
    said = f"Contended, and their intervals widened by the noise floors: {'rs'[side]} ({why})."
    assert said in frame.attrs["remarks"]


def test_what_is_slower_by_far_is_found_all_the_same() -> None:
    slowed = rows({**TIMES, "flat": 2e-5}, run="s", contended=True)
    frame = compared(rows(TIMES), slowed)
    assert flat(frame)["relative_verdict"] == "slower"
    [line] = failures(frame, by="baseline", slower=0.05, counts=False, missing=False)
    assert "flat" in line


def test_without_a_noise_floor_nothing_is_known_of_it() -> None:
    slowed = rows({**TIMES, "flat": 2e-5}, run="s", contended=True, noise_floor=None)
    assert flat(compared(rows(TIMES), slowed))["relative_verdict"] == "unclear"
