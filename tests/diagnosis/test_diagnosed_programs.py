"""Realistic programs: faulty ones are found at the cause, the others are silent and unchanged."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gradbench.diagnosis.finding import Severity
from tests.diagnosis.running import PROGRAMS, STEPS, bare, causes, watched

LATER = frozenset(
    {
        *("bearing_two_phases", "continual_shapes", "crop_transfer_session"),
        *("distilled_fault_student", "distilled_student", "gradual_heartbeat"),
        *("heartbeat_pretrain_finetune", "low_rank_reviews", "pruned_gesture_net"),
        *("pruned_keyword_spotter", "regional_prices_low_memory"),
    }
)
"""Programs whose fault comes in a later phase, after the first eight updates."""


def programs(folder: str) -> list[Path]:
    found = sorted((PROGRAMS / folder).glob("*.py"))
    assert found, folder
    return found


def named(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", programs("faulty"), ids=named)
def test_a_fault_is_found_where_it_is(path: Path) -> None:
    lines, words = causes(path)
    ran = watched(path, None if path.stem in LATER else STEPS)
    there = [
        finding
        for finding in ran.findings
        if finding.severity is not Severity.note
        and Path(finding.place.file).name == path.name
        and finding.place.line in lines
    ]
    assert there, f"cause at {sorted(lines)}, alarms: {ran.alarms}"
    said = " ".join(
        part
        for finding in there
        for part in (finding.message, finding.check.title, finding.check.why, finding.fix)
    ).lower()
    assert any(word in said for word in words), said
    assert len(ran.alarms) <= 4, ran.alarms


@pytest.mark.parametrize("path", programs("mended"), ids=named)
def test_a_mended_program_is_silent(path: Path) -> None:
    assert watched(path).alarms == []


@pytest.mark.parametrize("path", programs("healthy"), ids=named)
def test_a_healthy_program_is_silent_and_computes_the_same(path: Path) -> None:
    ran = watched(path)
    assert ran.alarms == []
    assert ran.outcome.error is None
    steps = len(ran.updates)
    # One whose steps are taken by hand has none of an optimizer: what it prints is compared.
    updates, printed = bare(path, STEPS if steps else None)
    if steps:
        assert updates[:steps] == ran.updates
    else:
        assert printed == watched(path, steps=None).printed


@pytest.mark.parametrize("path", programs("healthy_libraries"), ids=named)
def test_the_trainers_of_libraries_are_silent(path: Path) -> None:
    ran = watched(path)
    assert ran.outcome.error is None
    assert ran.alarms == []


def test_each_rank_of_a_distributed_program_is_silent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    program = PROGRAMS / "ranks" / "ddp_gloo.py"
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "gradbench", "diagnose", "--whole", str(program)],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    said = [each.communicate(timeout=120)[0] for each in ranks]
    assert [each.returncode for each in ranks] == [0, 0], said
    assert all("nothing found: watched" in each for each in said), said
