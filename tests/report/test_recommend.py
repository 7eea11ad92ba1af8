from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gradbench.report.content import Content, derive
from gradbench.report.gather import gather
from gradbench.results.store import Store
from gradbench.statistics.verdicts import FASTER, NO_DIFFERENCE, SLOWER, difference
from tests.report.stored import write_run


def content_of(folder: Path) -> Content:
    return derive(gather([folder]))


def changed(folder: Path, store: Store, change: Any) -> Content:
    """Rewrite every row of the one block below a folder, then derive."""
    for file in sorted((store.folder / "cells").glob("*.parquet")):
        rows = pd.read_parquet(file).astype(object)
        told = rows.where(rows.notna(), None).to_dict("records")
        store.write("cells", file.stem, [{**row, **change(row)} for row in told])
    return content_of(folder)


def one_block(folder: Path) -> Store:
    return write_run(folder, models=("mlp",), rules=("sgd",))


@pytest.mark.parametrize(
    ("low", "high", "floor", "shown"),
    [
        (1.03, 1.10, 0.02, FASTER),
        (1.01, 1.10, 0.02, NO_DIFFERENCE),  # reaches into the noise floor
        (0.90, 0.97, 0.02, SLOWER),
        (0.90, 0.985, 0.02, NO_DIFFERENCE),
        (1.5, 1.6, None, NO_DIFFERENCE),  # nothing can be said without a noise floor
        (float("nan"), float("nan"), 0.02, NO_DIFFERENCE),
    ],
)
def test_a_speedup_within_interval_and_noise_is_no_difference(
    low: float, high: float, floor: float | None, shown: str
) -> None:
    assert difference(low, high, floor) == shown


def test_the_fastest_right_strategy_is_recommended_never_a_wrong_one(tmp_path: Path) -> None:
    one_block(tmp_path)
    row = content_of(tmp_path).recommendations.iloc[0]
    assert row["strategy"] == "flat"
    assert row["wrong"] == ["broken"]
    assert row["ties"] == []


def test_without_a_faster_one_the_baseline_is_kept(tmp_path: Path) -> None:
    store = one_block(tmp_path)
    found = changed(tmp_path, store, lambda row: {"noise_floor": 9.0})
    row = found.recommendations.iloc[0]
    assert row["strategy"] == "optimizer"
    assert set(row["ties"]) == {"flat", "foreach", "data"}


def test_what_cannot_be_told_from_the_best_is_named_beside_it(tmp_path: Path) -> None:
    store = one_block(tmp_path)

    def near(row: dict[str, Any]) -> dict[str, Any]:
        figures = {"speedup": 3.95, "speedup_low": 3.9, "speedup_high": 3.99}
        return figures if row["strategy"] == "foreach" else {}

    assert changed(tmp_path, store, near).recommendations.iloc[0]["ties"] == ["foreach"]


def test_a_block_whose_baseline_is_wrong_has_no_speedup_but_an_answer(tmp_path: Path) -> None:
    store = one_block(tmp_path)

    def no_baseline(row: dict[str, Any]) -> dict[str, Any]:
        none = dict.fromkeys(("speedup", "speedup_low", "speedup_high"))
        return none | ({"status": "wrong"} if row["strategy"] == "optimizer" else {})

    row = changed(tmp_path, store, no_baseline).recommendations.iloc[0]
    assert row["strategy"] == "flat"
    assert row["baseline"] is None


def test_a_block_without_a_right_cell_has_no_answer(tmp_path: Path) -> None:
    found = changed(tmp_path, one_block(tmp_path), lambda row: {"status": "wrong"})
    assert found.recommendations.empty
