"""The atlas: its broken programs are found, at the right line; its fixes and twins are silent."""

import importlib
import linecache
from collections import Counter
from pathlib import Path

import pytest
import torch

from gradbench.diagnosis.check_list import all_checks
from gradbench.observing.failure_mode import FailureMode
from gradbench.observing.pasteable import pasteable
from tests.diagnosis.running import modes, watched

LEAST = 0.95
"""Share of the broken programs that are found."""

MODES = {mode.name: mode for mode in modes()}
DEVICE = torch.device("cpu")


def program(mode: FailureMode, kind: str, folder: Path) -> Path:
    """Write a piece of code of the atlas as a program."""
    path = folder / f"{mode.name}_{kind}.py"
    path.write_text(pasteable(getattr(mode, kind), DEVICE), encoding="utf-8")
    linecache.checkcache(str(path))
    return path


def accepted() -> dict[str, tuple[str, ...]]:
    """Return the lines that a person who knows would point at, by mode."""
    found: dict[str, tuple[str, ...]] = {}
    for file in sorted(Path(__file__).parent.glob("atlas_lines_*.py")):
        found |= importlib.import_module(f"tests.diagnosis.{file.stem}").LINES
    return found


def test_every_mode_has_its_lines() -> None:
    lines = accepted()
    assert lines.keys() == MODES.keys()
    for name, texts in lines.items():
        code = pasteable(MODES[name].broken, DEVICE)
        assert all(text in code for text in texts), name


def test_broken_programs_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = accepted()
    rows, tally = [], Counter[str]()
    for name, mode in MODES.items():
        if mode.missing(DEVICE):
            continue
        path = program(mode, "broken", tmp_path)
        findings = [each for each in watched(path, None).findings if name in each.check.atlas]
        at = [linecache.getline(each.place.file, each.place.line) for each in findings]
        right = [
            each
            for each, line in zip(findings, at, strict=True)
            if any(text in line for text in lines.get(name, ()))
        ]
        outcome = "found" if right else "elsewhere" if findings else "missed"
        tally[outcome] += 1
        said = ", ".join(f"{each.check.id} {each.severity.value}" for each in findings)
        rows.append(f"{outcome:10} {name:36} {said}")
    with capsys.disabled():
        print("", *rows, dict(tally), sep="\n")
    assert tally["found"] >= LEAST * sum(tally.values()), tally


@pytest.mark.parametrize("kind", ["fix", "twin"])
def test_fixes_and_twins_are_silent(kind: str, tmp_path: Path) -> None:
    alarms = {
        name: found
        for name, mode in MODES.items()
        if not mode.missing(DEVICE)
        and (found := watched(program(mode, kind, tmp_path), None).alarms)
    }
    assert alarms == {}


def test_checks_name_modes_that_there_are() -> None:
    for id_, module in all_checks().items():
        assert set(module.CHECK.atlas) <= MODES.keys(), id_
