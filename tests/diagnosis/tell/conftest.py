"""The program in a file, and a report on it."""

from pathlib import Path

import pytest

from gradbench.diagnosis.finding import Also, Place, Severity
from gradbench.diagnosis.tell.report import Report
from tests.diagnosis.tell.told import CLIPPED, CONSTANT, PROGRAM


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "train.py"
    file.write_text(PROGRAM)
    return file


@pytest.fixture
def report(program: Path) -> Report:
    """A note, a warning and an error, in another order than they are to be told."""
    file = str(program)
    return Report(
        program=file,
        findings=(
            CLIPPED.found(Place(file, 3), "a note that nobody asked for", severity=Severity.note),
            CLIPPED.found(Place(file, 14, "train"), "clipped [bold]after[/bold] line 14"),
            CONSTANT.found(
                Place(file, 6, "losses"),
                "`encoder.weight` got no gradient in 8 of 8 backward passes.",
                parameters=("encoder.weight", "encoder.bias"),
                also=(Also(Place(file, 13, "train"), "backward"),),
                evidence={"largest": float("nan"), "passes": 8},
            ),
        ),
        steps=8,
        seconds=1.5,
        overhead=1.4,
        watched={"parameters": 2, "optimizers": 1, "backward passes": 8},
        folder=str(program.parent),
    )
