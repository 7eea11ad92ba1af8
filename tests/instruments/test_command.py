"""The command as a person uses it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gradbench
from gradbench.instruments.comparison import INSTRUMENTS
from gradbench.report.instruments import instrument_page

ROOT = str(Path(__file__).parents[2])
COMMAND = [sys.executable, "-m", "gradbench.instruments"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": ROOT}


def test_repeats_are_measured_and_summed_up(tmp_path: Path) -> None:
    arguments = ["--repeats", "2", "--seconds", "0.1", "--hogs", "0", "model=linear", "threads=1"]
    answer = subprocess.run(
        [*COMMAND, *arguments, "--without", "pyperf"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    assert "pytest-benchmark" in answer.stdout
    rows = gradbench.load(tmp_path / "results", "instruments")
    assert set(rows["instrument"]) == set(INSTRUMENTS) - {"pyperf"}
    assert len(rows) == 2 * 2 * 4
    assert (rows["ratio"] > 0).all()
    assert (rows["threads"] == 1).all()
    assert "Timer, adaptive" in instrument_page(rows)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--repeats", "1"], "2 or more"),
        (["--seconds", "-1"], "above 0"),
        (["--hogs", "x"], "0,1,2"),
        (["strategy=[foreach,data]"], "one strategy"),
        (["strategy=[optimizer]"], "one strategy"),
        (["model=bogus"], "mlp_small"),
        (["--without", "stopwatch"], "pytest-benchmark"),
    ],
)
def test_bad_request(tmp_path: Path, arguments: list[str], named: str) -> None:
    answer = subprocess.run(
        [*COMMAND, *arguments], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert answer.returncode == 2
    assert named in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not list(tmp_path.iterdir())
