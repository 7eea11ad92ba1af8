"""Checks are found by their files, and one that fails takes no other with it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gradbench.diagnosis import check_list, checks
from gradbench.diagnosis.check_list import FAILED, all_checks, look_all
from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.timeline import Timeline
from gradbench.errors import BadRequest

EMPTY = Timeline(events=(), tensors={})
SOURCE = """
from gradbench.diagnosis.finding import Check, Severity

CHECK = Check(id={id!r}, title="t", severity=Severity.error, symptom="none", why="w", fix="f")


def look(timeline):
    return iter(())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in place of the package's checks."""
    monkeypatch.setattr(checks, "__path__", [str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(checks.__name__):
            del sys.modules[name]


def test_checks_are_found_by_their_files(folder: Path) -> None:
    (folder / "fake_one.py").write_text(SOURCE.format(id="GB912"))
    (folder / "fake_two.py").write_text(SOURCE.format(id="GB911"))
    (folder / "_fake_shared.py").write_text("")
    assert list(all_checks()) == ["GB911", "GB912"]


def test_two_checks_of_one_id_are_refused(folder: Path) -> None:
    (folder / "fake_three.py").write_text(SOURCE.format(id="GB911"))
    (folder / "fake_four.py").write_text(SOURCE.format(id="GB911"))
    with pytest.raises(TypeError, match="GB911, which another check has"):
        all_checks()


def test_a_file_without_a_check_is_refused(folder: Path) -> None:
    (folder / "fake_five.py").write_text("CHECK = None\n")
    with pytest.raises(TypeError, match="fake_five needs CHECK"):
        all_checks()


def use(monkeypatch: pytest.MonkeyPatch, **looks: Any) -> None:
    """Put checks in place of those that there are."""

    def module(check: Check, look: Any) -> SimpleNamespace:
        return SimpleNamespace(CHECK=check, look=lambda timeline: look(check))

    modules = {id_: module(check(id_), look) for id_, look in looks.items()}
    monkeypatch.setattr(check_list, "all_checks", lambda: modules)


def check(id_: str) -> Check:
    return Check(id=id_, title="t", severity=Severity.error, symptom="none", why="w", fix="f")


def finds(file: str, *lines: int) -> Any:
    def look(check: Check) -> Iterator[Finding]:
        for line in lines:
            yield check.found(Place(file, line), "m", parameters=("w",))

    return look


def test_a_check_that_raises_is_told_and_the_others_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(check: Check) -> Iterator[Finding]:
        yield check.found(Place("a.py", 1), "found before")
        raise KeyError("w")

    use(monkeypatch, GB911=raises, GB912=finds("a.py", 2), GB913=raises)
    found = look_all(EMPTY)
    ids = [finding.check.id for finding in found]
    assert ids == ["GB911", FAILED.id, "GB912", "GB913", FAILED.id]
    failed = found[1]
    assert failed.severity is Severity.note  # a fault of ours is no alarm about the program
    assert "GB911" in failed.message
    assert "KeyError: 'w'" in failed.message
    assert failed.place.file == __file__


def test_the_same_finding_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, GB911=finds("a.py", 1, 2, 1))
    assert [finding.place.line for finding in look_all(EMPTY)] == [1, 2]


def test_checks_can_be_chosen_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, GB911=finds("a.py", 1), GB912=finds("a.py", 2), GB913=finds("a.py", 3))

    def lines(**chosen: Any) -> list[int]:
        return [finding.place.line for finding in look_all(EMPTY, **chosen)]

    assert lines() == [1, 2, 3]
    assert lines(only=["gb912"]) == [2]
    assert lines(ignore=["GB912"]) == [1, 3]
    assert lines(only=["GB911", "GB912"], ignore=["GB911"]) == [2]
    assert lines(only=["GB911"], ignore=["GB911"]) == []
    for chosen in ({"only": ["GB91"]}, {"ignore": ["GB91"]}):
        with pytest.raises(BadRequest, match=r"GB91: did you mean .*choose from GB911 to GB913"):
            lines(**chosen)


def test_a_comment_at_the_line_leaves_a_finding_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "train.py"
    file.write_text(
        "a = 1  # gradbench: ignore[GB911]\n"
        "b = 1  # noqa  # gradbench:ignore[GB999, gb911]\n"
        "c = 1  # gradbench: ignore[GB912]\n"
        "d = 1\n"
    )
    use(monkeypatch, GB911=finds(str(file), 1, 2, 3, 4))
    assert [finding.place.line for finding in look_all(EMPTY)] == [3, 4]
