"""Approximate strategies have figures everywhere, and a rank nowhere."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("altair")

from gradbench.report.charts import cost, speedup, update_time
from gradbench.report.content import Content
from gradbench.report.tables import latency, missing, recommendations, speedups
from tests.report.test_recommend import changed, one_block


@pytest.fixture
def content(tmp_path: Path) -> Content:
    """`broken`, the fastest, is approximate."""

    def approximate(row: dict[str, Any]) -> dict[str, Any]:
        off = {"status": "approximate", "reason": None, "update_error": 0.021}
        return {**off, "update_error_bound": 0.05} if row["status"] == "wrong" else {}

    return changed(tmp_path, one_block(tmp_path), approximate)


def test_it_is_named_beside_the_answer_and_never_the_answer(content: Content) -> None:
    [row] = content.recommendations.to_dict("records")
    assert row["strategy"] == "flat"
    assert row["same"] == row["wrong"] == []
    words = "broken 50.0× as fast, its updates are off by 2.1 %"
    assert row["approximate"] == [words]
    [table] = recommendations.draw(content)
    assert table.text["use"].iloc[0] == f"flat\napproximate: {words}"
    assert table.data["approximate"].tolist() == [words]


def test_one_that_is_slower_than_the_answer_is_not_named(tmp_path: Path) -> None:
    def coarse(row: dict[str, Any]) -> dict[str, Any]:
        return {"status": "approximate"} if row["strategy"] == "foreach" else {}

    found = changed(tmp_path, one_block(tmp_path), coarse)
    assert found.recommendations["approximate"].tolist() == [[]]


def test_a_blocks_table_has_its_figures_below_the_exact_ones(content: Content) -> None:
    [table] = latency.draw(content)
    places = table.text[table.text["zeroing"] == "set_to_none"]
    assert places["strategy"].tolist()[-2:] == ["optimizer", "broken\napproximate"]
    last = places.iloc[-1]
    assert last["right?"] == "≈ 2.1 % of the update (at most 5.0 %)"
    assert last["speedup"].startswith("50.0×")
    assert last["update"].startswith("20.0 µs")


def test_tables_and_charts_set_it_last(content: Content) -> None:
    [table] = speedups.draw(content)
    assert table.text["strategy"].tolist()[-1] == "broken"
    assert table.text["mlp"].iloc[-1].endswith("approximate")
    drawn = speedup.draw(content)
    assert drawn is not None
    [rows] = drawn.specification["datasets"].values()
    labels = {row["strategy"]: (row["label"], row["drawn"]) for row in rows}
    assert labels["broken"] == ("(50.0)", None)
    times = update_time.draw(content)
    assert times is not None
    [rows] = times.specification["datasets"].values()
    assert max(rows, key=lambda row: float(row["place"]))["strategy"] == "broken"


def test_it_is_not_missing_and_no_cost_model_is_fitted_to_it(content: Content) -> None:
    assert not [table for table in missing.draw(content) if table.name == "wrong"]
    drawn = cost.draw_bytes(content)
    assert drawn is not None
    strategies = {
        row["strategy"] for rows in drawn.specification["datasets"].values() for row in rows
    }
    assert strategies == {"optimizer", "foreach", "flat", "data"}
