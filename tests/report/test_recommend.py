from pathlib import Path
from typing import Any

import pandas as pd

from gradbench.report.content import Content, derive
from gradbench.report.gather import gather
from gradbench.report.tables import latency, recommendations
from gradbench.results.store import Store
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


def test_the_fastest_right_strategy_is_recommended_never_a_wrong_one(tmp_path: Path) -> None:
    one_block(tmp_path)
    row = content_of(tmp_path).recommendations.iloc[0]
    assert row["strategy"] == "flat"
    assert row["wrong"] == ["broken"]
    assert row["faster"]
    assert row["same"] == row["unclear"] == []
    assert row["again"] == ""


def test_without_a_faster_one_the_baseline_is_kept(tmp_path: Path) -> None:
    store = one_block(tmp_path)
    found = changed(tmp_path, store, lambda row: {"noise_floor": 9.0})
    row = found.recommendations.iloc[0]
    assert row["strategy"] == "optimizer"
    assert not row["faster"]
    assert row["same"] == ["data"]  # certainly within 5 %, whatever the noise
    assert row["unclear"] == ["flat", "foreach"]


def beside(low: float, high: float, **given: Any) -> Any:
    """Give ``foreach`` an interval of its speedup; ``flat``'s is 3.96 to 4.04."""

    def change(row: dict[str, Any]) -> dict[str, Any]:
        figures = {"speedup": (low + high) / 2, "speedup_low": low, "speedup_high": high}
        return {**(figures if row["strategy"] == "foreach" else {}), "budget_s": 5.0, **given}

    return change


def test_what_overlaps_the_best_is_unclear_and_never_called_as_fast(tmp_path: Path) -> None:
    store = write_run(tmp_path, models=("mlp_small",), rules=("sgd",))
    content = changed(tmp_path, store, beside(3.0, 5.0))
    row = content.recommendations.iloc[0]
    assert (row["strategy"], row["same"], row["unclear"]) == ("foreach", [], ["flat"])
    [table] = recommendations.draw(content)
    assert table.text["use"].iloc[0] == "foreach\n1 unclear"
    assert "as fast" not in table.markdown()
    assert table.data["unclear"].tolist() == ["flat"]
    assert table.data["command"].tolist() == [row["again"]]
    [block] = latency.draw(content)
    assert "1 could not be told apart in 5 s (flat): python -m gradbench model=" in block.caption
    assert "'strategy=[foreach,flat]'" in block.caption
    assert "measurement.budget_s=50 would" in block.caption
    assert "as fast" not in block.caption


def test_what_is_certainly_within_the_margin_is_the_same(tmp_path: Path) -> None:
    store = one_block(tmp_path)
    content = changed(tmp_path, store, beside(3.97, 4.01, replicates=12))
    [row] = content.recommendations.to_dict("records")
    assert (row["strategy"], row["same"], row["unclear"]) == ("flat", ["foreach"], [])
    [table] = recommendations.draw(content)
    assert table.text["use"].iloc[0] == "flat\nsame: foreach"
    strict = derive(gather([tmp_path]), margin=0.001)
    assert strict.recommendations.iloc[0]["same"] == []
    [table] = recommendations.draw(strict)
    assert "more than 0.1 % and the noise floor" in table.caption


def test_the_margin_decides_what_is_faster(tmp_path: Path) -> None:
    one_block(tmp_path)
    found = derive(gather([tmp_path]), margin=9.0)
    assert found.recommendations.iloc[0]["strategy"] == "optimizer"
    assert set(found.cells["update_verdict"]) == {"baseline", "same", "wrong", "skipped"}


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
