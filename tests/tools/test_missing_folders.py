"""A folder without anything to read gets one message from whatever writes a page."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = (
    "experiments/estimators.py",
    "tools/coverage_page.py",
    "tools/findings.py",
    "tools/instruments_page.py",
    "tools/reference_runs.py",
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_missing_folder_is_named_in_one_line(tmp_path: Path, script: str) -> None:
    answer = subprocess.run(
        [sys.executable, ROOT / script, "nowhere"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr == "no such folder: nowhere\n"


@pytest.mark.parametrize(
    ("script", "table"),
    [
        ("experiments/estimators.py", "calibrations"),
        ("tools/coverage_page.py", "calibrations"),
        ("tools/findings.py", "observations"),
        ("tools/instruments_page.py", "observations"),
        ("tools/reference_runs.py", "cells"),
    ],
)
def test_the_only_file_is_unreadable(tmp_path: Path, script: str, table: str) -> None:
    file = tmp_path / "r" / table / "x.parquet"
    file.parent.mkdir(parents=True)
    file.write_text("no parquet")
    answer = subprocess.run(
        [sys.executable, ROOT / script, "r"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 2, answer.stderr
    assert answer.stdout == ""
    [line] = answer.stderr.splitlines()
    assert "x.parquet: not a parquet file" in line
