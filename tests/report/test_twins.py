import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy.stats import beta

from gradbench.cli.main import main
from gradbench.report.content import Content, derive
from gradbench.report.gather import gather
from gradbench.report.tables import recommendations, twins
from gradbench.report.twins import judge_twins, said_of, twin_lines
from gradbench.results.store import Store
from tests.report.stored import write_run


def twin(number: int, low: float, high: float, **given: Any) -> dict[str, Any]:
    return {
        **{"run": "r", "host": "h", "block": f"b{number}", "recorded_at": "2026", "role": "twin"},
        **{"device": "cpu", "device_name": "Chip", "noise_floor": 9.0},
        **{"speedup": math.sqrt(low * high), "speedup_low": low, "speedup_high": high, **given},
    }


QUIET = [twin(number, 0.99, 1.01) for number in range(18)]
SHIFTED, WIDE, FAR = twin(18, 1.01, 1.02), twin(19, 0.5, 2.0), twin(20, 1.08, 1.12)
EVERY = [*QUIET, SHIFTED, WIDE, FAR]


def test_different_is_beyond_the_margin_and_held_is_of_one() -> None:
    # Beside its own noise floor no twin could be different; SHIFTED misses 1 and is within 5 %.
    [found] = judge_twins(pd.DataFrame(EVERY), pd.DataFrame(EVERY))
    assert (found.shown.different.hits, found.shown.different.trials) == (1, 21)
    assert (found.shown.held.hits, found.shown.held.trials) == (19, 21)
    [strict] = judge_twins(pd.DataFrame(EVERY), pd.DataFrame(EVERY), margin=0.001)
    assert strict.shown.different.hits == 2
    assert strict.shown.held.hits == 19


def test_the_line_says_both_with_exact_intervals() -> None:
    [line] = twin_lines(judge_twins(pd.DataFrame(EVERY), pd.DataFrame(EVERY)))
    assert line.startswith(
        "h, Chip: identical code was called different in 1 of 21 blocks; the twins' intervals held "
        "1 in 19 of 21 (95 % intervals: "
    )
    low, high = beta.ppf(0.025, 1, 21), beta.ppf(0.975, 2, 20)  # Clopper and Pearson
    assert f"{100 * low:.2f} – {100 * high:.0f} % and " in line


def test_one_that_says_nothing_or_is_a_copy_is_no_trial() -> None:
    endless = [twin(30, 0.0, math.inf), twin(32, 0.9, math.inf)]
    silent = [*endless, twin(31, 1.0, 1.0) | dict.fromkeys(("speedup_low",))]
    rows = pd.DataFrame([*EVERY, *EVERY, *silent, {**FAR, "role": "candidate", "block": "c"}])
    [found] = judge_twins(rows, rows)
    assert found.shown.different.trials == 21
    assert judge_twins(rows[rows["role"] == "candidate"], rows) == []


def test_each_machine_has_its_own_and_every_run_of_it_is_pooled() -> None:
    shown = pd.DataFrame([*EVERY, twin(40, 0.9, 1.1, device="cuda", device_name=None)])
    older = [{**row, "run": "older"} for row in EVERY]
    strangers = [{**row, "host": "else"} for row in EVERY]
    chip, cuda = judge_twins(shown, pd.concat([shown, pd.DataFrame([*older, *strangers])]))
    assert (chip.device, chip.pooled.runs, chip.pooled.different.hits) == ("Chip", 2, 2)
    assert chip.pooled.held.trials == 42
    assert "over all of 2 runs here, different in 2 of 42 (" in said_of(chip)
    assert (cuda.device, cuda.pooled.held.trials) == ("cuda", 1)


@pytest.fixture
def content(tmp_path: Path) -> Content:
    for run in ("first", "second"):
        store = write_run(tmp_path, run, models=("mlp",), rules=("sgd",))
        add_twin(store, 0.99 if run == "second" else 1.07)
    return derive(gather([tmp_path]))


def add_twin(store: Store, low: float) -> None:
    [file] = (store.folder / "cells").glob("*.parquet")
    rows = pd.read_parquet(file).astype(object)
    told = rows.where(rows.notna(), None).to_dict("records")
    seen = {"speedup": low * 1.01, "speedup_low": low, "speedup_high": low * 1.02}
    store.write("cells", file.stem, [*told, {**told[0], "role": "twin", "cell": "twin", **seen}])


def test_a_report_has_the_blocks_shown_and_those_of_every_run(content: Content) -> None:
    [table] = twins.draw(content)
    assert table.text["blocks"].tolist() == ["shown", "all"]
    assert table.data["different"].tolist() == [0, 1]
    assert table.data["held"].tolist() == [1, 1]
    assert table.data["trials"].tolist() == [1, 2]
    assert "by more than 5 %" in table.caption
    [chosen] = recommendations.draw(content)
    assert not [name for name in (*chosen.text, *chosen.data) if "held" in name or "inter" in name]


def test_summary_and_report_print_the_line(
    content: Content, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "host, Chip 3000: identical code was called different in"
    assert main(["summary", str(tmp_path)]) == 0
    assert (
        f"{said} 1 of 2 blocks; the twins' intervals held 1 in 1 of 2 (" in capsys.readouterr().out
    )
    assert main(["report", str(tmp_path), "--output", str(tmp_path / "page")]) == 0
    shown = capsys.readouterr().out
    assert (
        f"{said} 0 of 1 blocks; the twins' intervals held 1 in 1 of 1; over all of 2 runs" in shown
    )


def test_beside_one_run_stand_the_twins_of_all_runs_of_its_machine(
    content: Content, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(content.twins) == 1
    runs = sorted(file.parent.parent for file in tmp_path.rglob("cells/*.parquet"))
    assert main(["summary", str(runs[0])]) == 0
    assert "of 1 blocks; the twins' intervals held 1 in" in (shown := capsys.readouterr().out)
    assert "over all of 2 runs here" in shown


def test_without_a_twin_there_is_no_table(tmp_path: Path) -> None:
    write_run(tmp_path, models=("mlp",), rules=("sgd",))
    assert twins.draw(derive(gather([tmp_path]))) == []
