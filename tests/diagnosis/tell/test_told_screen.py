"""The report on a terminal."""

import io
import linecache
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.tell.excerpt import marked_spans
from gradbench.diagnosis.tell.report import Report
from gradbench.diagnosis.tell.screen import draw


def screen(report: Report, show_notes: bool = False, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, record=True, color_system=None)
    console.print(draw(report, show_notes))
    return console.export_text()


def at(report: Report, place: Place) -> Report:
    return replace(report, findings=(replace(report.findings[0], place=place, also=()),))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_finding_shows_its_line_and_what_to_write(report: Report, width: int) -> None:
    lines = screen(report, width=width).splitlines()
    cause = next(place for place, line in enumerate(lines) if line.startswith("> 6 │"))
    code, marks = lines[cause], lines[cause + 1]
    assert code.find("torch.tensor") == marks.find("^")
    assert marks.count("^") == len("torch.tensor")
    assert lines[cause + 3].startswith("    ⋮")
    assert [line.split() for line in lines[cause + 4 : cause + 6]] == [
        ["13", "│", "loss.backward()"],
        ["│", "└", "backward"],
    ]
    text = " ".join(" ".join(lines).split())
    assert "train.py:6 in losses" in text
    assert "`encoder.weight` got no gradient in 8 of 8 backward passes." in text
    assert "encoder.weight and encoder.bias" in text
    assert "write instead total = torch.stack(parts).sum()" in text
    assert "python -m gradbench explain GB901" in text
    assert "[bold]after[/bold]" in text
    assert max(map(len, lines)) <= width


def test_notes_are_only_counted_unless_asked_for(report: Report) -> None:
    assert "nobody asked" not in screen(report)
    assert "1 error, 1 warning; 1 note: --notes shows it" in screen(report)
    shown = screen(report, show_notes=True)
    assert "nobody asked" in shown
    assert "--notes" not in shown
    assert "why            as for GB902 above" in shown


def test_without_findings_one_line_says_what_was_watched(report: Report) -> None:
    said = screen(replace(report, findings=()))
    watched = "watched 8 updates of 2 parameters by 1 optimizer, 8 backward passes"
    assert said.splitlines() == [f"nothing found: {watched}"]


def test_nothing_watched_is_not_told_as_nothing_found(report: Report) -> None:
    unwatched = replace(report, findings=(), steps=0, watched={"parameters": 0})
    assert "nothing watched" in screen(unwatched)


def test_what_could_not_be_seen_is_told(report: Report) -> None:
    said = screen(replace(report, unseen=("what [compiled] code did",), ended="ended early"))
    assert "not seen: what [compiled] code did" in said
    assert "ended early" in said


@pytest.mark.parametrize("file", ["<stdin>", "/gone/train.py", "binary"])
def test_a_file_that_cannot_be_read_breaks_nothing(
    report: Report, file: str, tmp_path: Path
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    file = str(tmp_path / "binary") if file == "binary" else file
    assert "its source cannot be read" in screen(at(report, Place(file, 6)))
    assert "its source cannot be read" in screen(at(report, Place(report.program, 999)))


def test_a_cell_of_a_notebook_is_shown(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    name, source = "<ipython-input-3-ab12>", "x = torch.tensor(losses)\n"
    monkeypatch.setitem(linecache.cache, name, (len(source), None, [source], name))
    said = screen(at(report, Place(name, 1)))
    assert ">1 │ x = torch.tensor(losses)" in said


def test_a_mark_far_to_the_right_is_in_sight(report: Report) -> None:
    Path(report.program).write_text(f"{'x' * 90} = 1 + torch.tensor(1) + {'y' * 40}\n")
    linecache.checkcache(report.program)
    lines = screen(at(report, Place(report.program, 1)), width=80).splitlines()
    [place] = [place for place, line in enumerate(lines) if line.startswith(">1 │ …")]
    assert lines[place].find("torch.tensor") == lines[place + 1].find("^") > 0


@pytest.mark.parametrize(
    ("line", "title", "marked"),
    [
        ("    y = x.data + z.data", "`.data` in forward", [".data", ".data"]),
        ("y = f(x)  # of `x`", "something else", ["y = f(x)"]),
        ('y = "#" + torch.tensor(  # why', "`torch.tensor(…)`", ["torch.tensor"]),
        ("y = my_step(x)", "`step` called twice", ["y = my_step(x)"]),
        ('y = """', "an unfinished line", ['y = """']),
        ("", "an empty line", []),
    ],
)
def test_what_is_marked_in_a_line(line: str, title: str, marked: list[str]) -> None:
    assert [line[begin:end] for begin, end in marked_spans(line, title)] == marked
