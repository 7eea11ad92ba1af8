from pathlib import Path
from typing import Any

import pytest

from gradbench.cli.main import main
from gradbench.report.calibration import calibration_lines
from gradbench.report.content import Content, derive
from gradbench.report.gather import gather
from gradbench.report.tables import calibration, latency, recommendations, speedups
from gradbench.results.store import Store
from tests.report.stored import write_run


def calibrate(folder: Path, hogs: int, coverage: float, **figures: Any) -> None:
    """Store what a calibration of the machine of tests.report.stored says."""
    row = {
        **{"run": "c", "host": "host", "device": "cpu", "model": "m", "rule": "r", "hogs": hogs},
        **{"seconds": 20.0, "runs": 10, "stated": True, "intervals": 110, "identical": 30},
        **{"coverage": coverage, "coverage_low": 0.1, "coverage_high": 1.0},
        **{"false_alarms": 0.04, "false_alarms_low": 0.0, "false_alarms_high": 0.1},
        **{"contended": 0.0, "detectable_difference": 0.018, "half_width": 0.005, "spread": 0.002},
        **{"recorded_at": "2026-01-01T00:00:00+00:00", **figures},
    }
    name = f"{row['device']}-{hogs}-{row['recorded_at'][:4]}"
    Store(folder / "c").write("calibrations", name, [row])


@pytest.fixture
def content(tmp_path: Path) -> Content:
    write_run(tmp_path, "quiet", models=("mlp",), rules=("sgd",))
    busy = "other processes used 1.0 of 2 processors"
    write_run(tmp_path, "busy", models=("conv",), rules=("sgd",), contention=busy)
    write_run(tmp_path, "gpu", models=("mlp",), rules=("sgd",), device="cuda", device_name="G")
    calibrate(tmp_path, 0, 0.5, recorded_at="2025-01-01T00:00:00+00:00")  # superseded
    calibrate(tmp_path, 0, 0.96)
    calibrate(tmp_path, 1, 0.78)
    calibrate(tmp_path, 2, 0.88, detectable_difference=None)
    calibrate(tmp_path, 0, 0.3, stated=False, device="elsewhere")
    return derive(gather([tmp_path]))


def test_each_load_of_each_machine_has_a_line_and_the_last_counts(content: Content) -> None:
    lines = calibration_lines(content.calibrations, content.cells)
    loads = ("quiet", "1 busy process", "2 busy processes")
    assert [line.split(":")[0] for line in lines] == [f"intervals on host, cpu, {n}" for n in loads]
    assert "96 % of 110 held in 10 re-runs, 4.0 % false alarms, 1.8 % found" in lines[0]


def test_a_calibration_that_others_disturbed_is_not_called_quiet(tmp_path: Path) -> None:
    write_run(tmp_path, models=("mlp",), rules=("sgd",))
    calibrate(tmp_path, 0, 0.96, contended=0.9)
    content = derive(gather([tmp_path]))
    [said] = calibration_lines(content.calibrations, content.cells)
    assert "quiet, but others kept it busy: 96 % of" in said


def test_without_a_calibration_nothing_is_asked_for(tmp_path: Path) -> None:
    write_run(tmp_path, models=("mlp",), rules=("sgd",))
    content = derive(gather([tmp_path]))
    assert calibration_lines(content.calibrations, content.cells) == []
    assert calibration.draw(content) == []
    tables = [*recommendations.draw(content), *speedups.draw(content), *latency.draw(content)]
    assert not any("calibrat" in table.markdown() + table.csv() for table in tables)


def test_the_machines_own_table_has_every_load(content: Content) -> None:
    [table] = calibration.draw(content)
    assert list(table.text["load"]) == ["quiet", "1 busy process", "2 busy processes"]
    assert list(table.text["found"]) == ["1.8 %", "1.8 %", "none"]
    assert list(table.data["coverage"]) == [0.96, 0.78, 0.88]


def test_a_contended_block_says_why_wherever_it_is_shown(content: Content) -> None:
    why = "other processes used 1.0 of 2 processors"
    assert any("1 contended" in note and why in note for note in content.notes)
    [table] = [t for t in latency.draw(content) if "conv" in t.title]
    assert f"contended: {why}" in table.caption
    rest = [t.caption for t in latency.draw(content) if "conv" not in t.title]
    assert not any("contended" in caption for caption in rest)


def test_blocks_with_the_processors_apart_are_named_on_page_and_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, run="near", models=("mlp",), rules=("sgd",), exchange_s=8e-6)
    write_run(tmp_path, run="far", models=("conv",), rules=("sgd",), exchange_s=15.5e-6)
    said = "host moved its processors apart for 1 of 2 blocks: their threads took 15.5 µs"
    [note] = [note for note in derive(gather([tmp_path])).notes if "apart" in note]
    assert said in note
    assert "conv · sgd" in note
    assert main(["summary", str(tmp_path)]) == 0
    assert said in capsys.readouterr().out
    assert not any("apart" in note for note in derive(gather([tmp_path / "far"])).notes)


def test_files_from_before_say_as_much_as_they_know(tmp_path: Path) -> None:
    write_run(tmp_path, models=("mlp",), rules=("sgd",), contended=True)
    old = derive(gather([tmp_path]))
    [table] = latency.draw(old)
    assert "contended: most of its samples were disturbed" in table.caption
    assert "bound by" not in table.text
    assert calibration.draw(old) == []


@pytest.mark.parametrize(
    ("name", "used", "shown", "without"),
    [
        ("dispatch", 5, "dispatch", "bytes"),
        ("bandwidth", 55, "bandwidth", "bytes"),
        ("compute", 55, "compute", "operations"),
        ("bandwidth", 5, "overhead", "bytes"),
        ("compute", 5, "overhead", "operations"),
        ("overhead", 5, "overhead", "bytes"),
    ],
)
def test_the_bottleneck_is_shown_with_its_evidence(
    tmp_path: Path, name: str, used: int, shown: str, without: str
) -> None:
    figures = {"bottleneck": name, "dispatch_fraction": 0.9, "roofline_fraction": used / 100}
    write_run(tmp_path, models=("mlp",), rules=("sgd",), **figures)
    [table] = latency.draw(derive(gather([tmp_path])))
    bound = dict(zip(table.text["strategy"], table.text["bound by"], strict=True))
    assert bound["flat"] == f"{shown}\n90.0 % left without the {without}, {used} % of the ceiling"
    assert bound["broken"] == ""
