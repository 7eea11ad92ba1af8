from pathlib import Path
from typing import Any

import pytest

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


def text_of(content: Content, **block: str) -> set[str]:
    cells = content.cells[content.cells["status"] != "skipped"]
    for name, value in block.items():
        cells = cells[cells[name] == value]
    return set(cells["calibration_text"])


def test_a_quiet_block_has_the_quiet_calibration(content: Content) -> None:
    assert text_of(content, model="mlp", device="cpu") == {
        "quiet: 96 % held, 4.0 % false alarms, 1.8 % detectable"
    }


def test_a_calibration_that_others_disturbed_is_not_called_quiet(tmp_path: Path) -> None:
    write_run(tmp_path, models=("mlp",), rules=("sgd",))
    calibrate(tmp_path, 0, 0.96, contended=0.9)
    [said] = text_of(derive(gather([tmp_path])))
    assert said.startswith("quiet, but others kept it busy: 96 % held")


def test_a_contended_block_has_the_worst_busy_one(content: Content) -> None:
    [said] = text_of(content, model="conv")
    assert said.startswith("1 busy process: 78 % held")


def test_a_machine_without_says_how_to_get_one(content: Content) -> None:
    command = "not calibrated: run python -m gradbench calibrate device=cuda"
    assert text_of(content, device="cuda") == {command}
    assert any(command in note for note in content.notes)
    assert not any("calibrate" in note and "cpu" in note for note in content.notes)


def test_every_table_with_a_speedup_says_it(content: Content) -> None:
    [chosen] = recommendations.draw(content)
    assert set(chosen.text["intervals here"].str.split("\n").str[0]) == {
        *("quiet", "1 busy process", "not calibrated")
    }
    assert "96 % held" in chosen.markdown()
    assert {"coverage", "false_alarms", "detectable_difference"} <= set(chosen.data)
    for table in speedups.draw(content):
        assert "held" in table.caption or "not calibrated" in table.caption
        assert "coverage" in table.csv().splitlines()[0]
    captions = [table.caption for table in latency.draw(content)]
    assert len(captions) == 3
    assert all("held" in caption or "not calibrated" in caption for caption in captions)


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
