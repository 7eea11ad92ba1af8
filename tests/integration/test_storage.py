"""Nowhere to store: one message, exit 1, and what is finished stays whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gradbench.results.store import Store
from tests.integration.sweeping import (
    LINEAR,
    ROOT,
    TORTURE,
    Sweep,
    finish,
    finished_blocks,
    leftovers,
)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount a file system in memory; skip where this user may not."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a file system to fill")
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"cannot mount here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def one_message(errors: str, *words: str) -> None:
    assert "Traceback" not in errors
    assert errors.startswith("gradbench: "), errors
    assert errors.count("\n") == 1, errors
    for word in words:
        assert word in errors


def test_a_disk_that_fills_up(folder: Path, tally: Counter[str]) -> None:
    disk = folder / "Platte voll é 1"
    arguments = [*LINEAR, f"output='{disk}'", "-m", "seed=range(40)"]
    with mounted(disk, "-o", "size=128k"):
        status, output, errors = finish(folder, *arguments)
        tally["faults injected"] += 1
        assert status == 1, output + errors
        one_message(errors, "No space left on device", str(disk), "to continue: ")
        kept = finished_blocks(disk / "r")
        assert 0 < len(kept) < 40
        assert len(kept) == output.count(" ok;")
        assert not list(disk.rglob("*.partial"))
        assert not list(disk.rglob(".*.lock"))
        if not TORTURE:  # going on is what test_kills.py does
            return
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        more = [*LINEAR, f"output='{disk}'", "-m", f"seed=range({len(kept) + 1})"]
        status, output, errors = finish(folder, *more)
        assert status == 0, output + errors
        found = finished_blocks(disk / "r")
        assert len(found) == len(kept) + 1
        assert {name: found[name] for name in kept} == kept


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """What needs no root: every file above a kilobyte is refused, as by a quota."""
    store = Store(tmp_path / "r")
    rows = [{"run": "r", "block": "b", "cell": "c", "status": "ok"}]
    before = store.write("cells", "b", rows).read_bytes()
    code = f"""
import resource, signal
from pathlib import Path
from gradbench.results.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
Store(Path({str(tmp_path / "r")!r})).write("cells", "b", [{{**{rows[0]}, "cell": "d"}}])
"""
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "Unwritable" in answer.stderr, answer.stderr
    assert "File too large" in answer.stderr
    assert [file.name for file in (tmp_path / "r" / "cells").iterdir()] == ["b.parquet"]
    assert (tmp_path / "r" / "cells" / "b.parquet").read_bytes() == before


def test_a_folder_that_is_read_only(folder: Path, tally: Counter[str]) -> None:
    disk = folder / "disk"
    with mounted(disk, "-o", "ro"):
        status, output, errors = finish(folder, *LINEAR, "output=disk")
        tally["faults injected"] += 1
        assert status == 1, output + errors
        one_message(errors, "output disk/r cannot be written", "read-only file system")


def test_a_folder_that_is_removed_meanwhile(folder: Path, tally: Counter[str]) -> None:
    sweep = Sweep(folder, [*LINEAR, "-m", "seed=range(20)"])
    sweep.await_block()
    sweep.await_worker()
    shutil.rmtree(folder / "results", ignore_errors=True)
    tally["faults injected"] += 1
    status, output, errors = sweep.end()
    assert status == 1, output + errors
    one_message(errors, "removed", "to continue: ")
    assert output.count(" ok;") < 20
    assert leftovers(sweep) == []


def test_a_path_with_spaces_and_other_letters(folder: Path, tally: Counter[str]) -> None:
    place = folder / "Ergebnisse für α = 1"
    sweep = Sweep(place, [*LINEAR, "output='mess daten/ü'"])
    status, output, errors = sweep.end()
    tally["faults injected"] += 1
    assert status == 0, output + errors
    assert len(finished_blocks(place / "mess daten" / "ü" / "r")) == 1
