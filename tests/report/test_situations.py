from pathlib import Path
from typing import Any

import pandas as pd

from gradbench.report.content import Content
from gradbench.report.tables import latency, recommendations, situations
from tests.report.stored import write_run
from tests.report.test_recommend import changed, one_block

ABSENT = "a parameter without a gradient (a parameter's .grad is None)"
VIEW = "a gradient that is a view (values are off by 3 ulp (at most 2) after 1 updates)"


def examined(row: dict[str, Any]) -> dict[str, Any]:
    """`flat` refuses one thing; `foreach` gets another wrong with sgd; `broken` met nothing."""
    flat, foreach = row["strategy"] == "flat", row["strategy"] == "foreach"
    return {
        "refuses": ABSENT if flat else "",
        "wrong_with": VIEW if foreach and row["rule"] == "sgd" else "",
    }


def grid(content: Content) -> pd.DataFrame:
    [table] = situations.draw(content)
    return table.text.set_index("strategy")


def test_each_strategy_stands_once_with_the_rules_where_they_differ(tmp_path: Path) -> None:
    text = grid(changed(tmp_path, write_run(tmp_path), examined))
    assert list(text.index) == ["data", "flat", "foreach", "optimizer"]
    assert text["a parameter without a gradient"].to_dict() == {
        **{"data": "✓", "foreach": "✓", "optimizer": "✓", "flat": "refuses"}
    }
    assert text["a gradient that is a view"]["foreach"] == "wrong\nsgd"
    assert text["a gradient that is a view"]["optimizer"] == "✓"


def test_a_situation_that_made_a_cell_wrong_is_a_column(tmp_path: Path) -> None:
    def zero_dim(row: dict[str, Any]) -> dict[str, Any]:
        wrong = row["status"] == "wrong"
        reason = {"reason": "with a zero-dim parameter, values are off"} if wrong else {}
        return {**examined(row), **reason}

    text = grid(changed(tmp_path, one_block(tmp_path), zero_dim))
    assert text["a zero-dim parameter"]["broken"] == "wrong"
    assert text["a zero-dim parameter"]["flat"] == "✓"


def test_the_recommended_strategy_is_shown_with_what_it_refuses(tmp_path: Path) -> None:
    found = changed(tmp_path, one_block(tmp_path), examined)
    warning = "refuses: a parameter without a gradient"
    assert found.recommendations["beware"].tolist() == [warning]
    assert warning in recommendations.draw(found)[0].text["right?"].iloc[0]
    assert latency.draw(found)[0].caption.startswith(f"use flat, 4.00× ({warning}) · ")


def test_files_from_before_have_no_such_table(tmp_path: Path) -> None:
    found = changed(tmp_path, one_block(tmp_path), lambda row: {})
    assert situations.draw(found) == []
    assert found.recommendations["beware"].tolist() == [""]
