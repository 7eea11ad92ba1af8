"""The order of the floors: no import goes upward, and whoever looks sees one that does."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tools.rooms import FLOORS, PACKAGE, ROOT, main, read_plan

OWN = 8
"""Modules that may stand beside the rooms."""


def test_no_import_goes_upward_and_every_room_has_its_floor() -> None:
    plan = read_plan()
    assert plan.upward == []
    assert sorted(plan.modules) == sorted(room for floor in FLOORS for room in floor)


def test_few_modules_stand_beside_the_rooms() -> None:
    assert len(list((ROOT / PACKAGE).glob("*.py"))) <= OWN


def test_an_import_that_goes_upward_is_seen(tmp_path: Path) -> None:
    for folder in (PACKAGE, "tools"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    rules = tmp_path / PACKAGE / "rules" / "sgd.py"
    rules.write_text(rules.read_text() + "\n\nimport gradbench.cli.main\n")
    picture = tmp_path / "rooms.svg"
    answer = subprocess.run(
        [sys.executable, "tools/rooms.py", "--svg", picture],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1
    assert "rules imports cli, which stands no lower" in answer.stderr
    assert "↑ cli" in answer.stdout
    assert "<svg" in picture.read_text()


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("nofolder/x.svg", 2, "no such folder: "),
        ("x.picture", 2, "choose a name that ends in .svg"),
        ("folder.svg", 1, "folder.svg cannot be written: Is a directory"),
    ],
)
def test_a_picture_that_cannot_be_drawn_gets_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, status: int, said: str
) -> None:
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(typer.Exit) as end:
        main(tmp_path / name)
    assert end.value.exit_code == status
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
