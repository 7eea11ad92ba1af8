"""What the report says of training steps."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("altair")

from gradbench.report.charts import phases
from gradbench.report.content import Content, derive
from gradbench.report.gather import gather
from gradbench.report.tables import latency, recommendations, zeroings
from gradbench.results.store import Store
from tests.report.stored import write_run

STEP = ("step_s", "step_s_low", "step_s_high", "step_speedup", "step_speedup_low")
STEP = (*STEP, "step_speedup_high")


def content_of(folder: Path, change: Any = lambda row: {}) -> Content:
    """Derive the content of one block whose rows of cells are changed."""
    store: Store = write_run(folder, models=("mlp",), rules=("sgd",))
    (file,) = (store.folder / "cells").glob("*.parquet")
    rows = pd.read_parquet(file).astype(object)
    told = rows.where(rows.notna(), None).to_dict("records")
    store.write("cells", file.stem, [{**row, **change(row)} for row in told])
    return derive(gather([folder]))


def few(row: dict[str, Any]) -> dict[str, Any]:
    return {**dict.fromkeys(STEP), "step_samples": 3} if row["strategy"] != "optimizer" else {}


def older(row: dict[str, Any]) -> dict[str, Any]:
    return {**dict.fromkeys(STEP[1:]), "step_samples": None, "step_noise_floor": None}


def test_a_recommendation_says_what_it_makes_of_the_step(tmp_path: Path) -> None:
    (table,) = recommendations.draw(content_of(tmp_path))
    assert table.text["training step"].tolist() == [
        "851 µs, from 1.60 ms\n1.88× (1.86 – 1.90), faster\n"
        "the update saves 750 µs, 46.8 % of the step"
    ]
    assert table.data["update_saving_s"].tolist() == pytest.approx([7.5e-4])
    assert table.data["update_saving_share"].tolist() == pytest.approx([7.5e-4 / 1.601e-3])


def test_a_step_without_a_figure_is_said(tmp_path: Path) -> None:
    content = content_of(tmp_path, few)
    (table,) = recommendations.draw(content)
    assert table.text["training step"].tolist() == [
        "no figure: 3 clean steps\nthe update saves 750 µs, 46.8 % of the step"
    ]
    (cells,) = latency.draw(content)
    shown = cells.text.set_index(["strategy", "zeroing"])["step"]
    assert shown["flat", "set_to_none"] == "no figure: 3 clean steps"
    assert shown["optimizer", "set_to_none"] == "1.60 ms"


def test_zeroings_are_judged_by_the_whole_step(tmp_path: Path) -> None:
    def slower(row: dict[str, Any]) -> dict[str, Any]:
        ends = {"step_speedup": 0.8, "step_speedup_low": 0.79, "step_speedup_high": 0.81}
        return ends if row["zeroing"] == "set_to_zero" else {}

    (table,) = zeroings.draw(content_of(tmp_path, slower))
    assert table.text["zeroing"].tolist() == ["set_to_none", "set_to_zero"]
    assert table.text["beside the default"].tolist() == ["default", "0.80× (0.79 – 0.81), slower"]
    assert table.data["zeroing_verdict"].tolist() == ["default", "slower"]


def test_files_whose_steps_were_not_timed_whole_show_phases_alone(tmp_path: Path) -> None:
    content = content_of(tmp_path, older)
    (table,) = zeroings.draw(content)
    assert set(table.text["whole step"]) == {"no figure: timed phase by phase"}
    assert set(table.data["zeroing_verdict"]) == {"default", ""}
    assert "–" not in set(table.text["backward"])
    assert phases.draw(content) is not None


def test_a_cell_without_a_clean_phase_has_no_bar(tmp_path: Path) -> None:
    def disturbed(row: dict[str, Any]) -> dict[str, Any]:
        return {"backward_s": None} if row["strategy"] == "optimizer" else {}

    figure = phases.draw(content_of(tmp_path / "some", disturbed))
    assert figure is not None
    (data,) = figure.specification["datasets"].values()
    assert {row["strategy"] for row in data} == {"foreach", "flat", "data"}
    assert {row["seconds_text"] for row in data if row["phase"] == "backward"} == {"0.40 ms"}
    assert phases.draw(content_of(tmp_path / "all", lambda row: {"backward_s": None})) is None
