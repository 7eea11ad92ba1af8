"""An experiment's file run by itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.script import main
from gradbench.request.schema import experiments_folder

ROOT = str(Path(__file__).parents[2])


def observe(device: torch.device) -> Iterator[Observation]:
    yield Observation(case=f"on {device}", expected="a", outcome="b", verdict=Verdict.defect)


def breaks(device: torch.device) -> Iterator[Observation]:
    yield from observe(device)
    raise ValueError("no such thing")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["experiment.py", *arguments])
    with pytest.raises(SystemExit) as end:
        main(observe)
    return int(end.value.code or 0)


def test_the_table_is_printed_and_a_defect_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: torch.device
) -> None:
    chosen = [] if device.type == "cpu" else ["--device", device.type]
    assert run(monkeypatch, *chosen) == 0
    printed = capsys.readouterr().out
    for words in (f"on {device.type}", "1 defect", "test_script.py", torch.__version__):
        assert words in printed


@pytest.mark.parametrize("device", ["bogus", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: str
) -> None:
    assert run(monkeypatch, "--device", device) == 2
    printed = capsys.readouterr()
    assert f"--device {device}" in printed.err
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""


def test_what_was_seen_before_it_broke_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["experiment.py"])
    with pytest.raises(ValueError, match="no such thing"):
        main(breaks)
    assert "on cpu" in capsys.readouterr().out


def test_a_shipped_file_runs_from_anywhere_and_fits_a_page(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, str(experiments_folder() / "article.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr
    assert "example 1, as printed" in answer.stdout
    assert max(map(len, answer.stdout.splitlines())) <= 100
    assert list(tmp_path.iterdir()) == []
