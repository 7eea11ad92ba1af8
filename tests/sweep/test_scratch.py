"""Temporary files of a command that was killed go at the next start."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKE = """
import os, sys
from gradbench.sweep.scratch import scratch_folder
folder = scratch_folder()
assert scratch_folder() == folder
(folder / "multirun.yaml").write_text("")
print(folder, flush=True)
sys.stdin.readline()
"""


def start(place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAKE],
        env={"PYTHONPATH": str(ROOT), "TMPDIR": str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_scratch_is_removed_at_the_end_or_at_the_next_start(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    place = tmp_path_factory.mktemp("f")
    killed, living = start(place), start(place)
    abandoned, kept = folder_of(killed), folder_of(living)
    killed.kill()
    killed.wait()
    assert abandoned.is_dir()
    third = start(place)
    third_folder = folder_of(third)
    assert not abandoned.exists()
    assert kept.is_dir()
    for process in (living, third):
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
    assert not kept.exists()
    assert not third_folder.exists()
    assert list(place.iterdir()) == []
