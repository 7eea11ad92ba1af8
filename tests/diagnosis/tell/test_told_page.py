"""The report as a page that needs nothing but itself, and its picture."""

import re
from dataclasses import replace

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.tell.page import write_page
from gradbench.diagnosis.tell.picture import MOST_CHIPS, MOST_ROWS, picture
from gradbench.diagnosis.tell.report import Report
from gradbench.diagnosis.tell.strip import Mark, strip_of
from gradbench.diagnosis.timeline import Event, Kind, Timeline


def steps(number: int) -> list[Mark]:
    return [
        mark
        for step in range(number)
        for mark in (
            (step, "forward", "train.py:5 linear"),
            (step, "forward", "train.py:5 relu"),
            (step, "forward", "train.py:6 tensor of a list"),
            (step, "backward", "train.py:13 backward"),
            (step, "step", "train.py:14 SGD.step"),
        )
    ]


def test_the_page_tells_everything_and_asks_nobody(report: Report) -> None:
    page = write_page(report, steps(3))
    assert re.search(r'<tr class="cause"><th>6</th>.*torch', page)
    assert "[bold]after[/bold]" in page
    assert "1 error, 1 warning, 1 note" in page
    assert re.search(r"<th scope=\"row\">largest</th><td>nan</td>", page)
    assert page.count("data-copy>") == len(report.findings)
    assert not re.search(r"(src|href)=\"(?!#|data:|https://(docs\.pytorch|github))", page)


def test_text_of_the_program_stays_text(report: Report) -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    found = replace(
        report.findings[0],
        message=hostile,
        fix=hostile,
        parameters=(hostile,),
        evidence={hostile: hostile},
        place=Place(hostile, 1, hostile),
    )
    told = replace(report, findings=(found,), program=hostile, unseen=(hostile,), ended=hostile)
    page = write_page(told, [(0, hostile, hostile)])
    assert "<img" not in page
    assert page.count("</script>") == 1


def test_steps_in_which_the_same_happened_share_a_row(report: Report) -> None:
    events = [*steps(3), (3, "error", "")]
    drawn = picture(report, events)
    assert [row.label for row in drawn.rows] == ["steps 0–2", "step 3"]
    texts = [chip.text for chip in drawn.rows[0].chips]
    assert texts == ["forward ×2", "forward", "backward", "step"]
    assert [chip.findings for chip in drawn.rows[0].chips] == [(), (1,), (), (2,)]
    ends = [chip.x + chip.width for chip in drawn.rows[0].chips]
    assert all(end < chip.x for end, chip in zip(ends, drawn.rows[0].chips[1:], strict=False))
    assert drawn.width >= ends[-1]


def test_what_is_too_much_to_draw_is_counted(report: Report) -> None:
    long = [(0, kind, "") for _ in range(MOST_CHIPS) for kind in ("forward", "backward")]
    many = [(step, "forward", f"other.py:{step}") for step in range(1, MOST_ROWS + 5)]
    drawn = picture(report, long + many)
    assert (len(drawn.rows), drawn.left_out) == (MOST_ROWS, 5)
    assert (len(drawn.rows[0].chips), drawn.rows[0].left_out) == (MOST_CHIPS, MOST_CHIPS)
    assert "5 more rows are not drawn" in write_page(report, long + many)


def test_a_timeline_becomes_a_strip() -> None:
    def event(index: int, kind: Kind, line: int) -> Event:
        return Event(index, 2, kind, f"{kind.value}{index}", Place("/home/someone/train.py", line))

    timeline = Timeline(
        events=(
            event(0, Kind.op, 5),
            event(1, Kind.op, 5),
            event(2, Kind.op, 6),
            event(3, Kind.export, 6),
            event(4, Kind.backward, 7),
            Event(5, 2, Kind.step, "SGD.step", None),
        ),
        tensors={},
    )
    assert strip_of(timeline, "/home/someone") == (
        (2, "forward", "train.py:5 op0"),
        (2, "forward", "train.py:6 op2"),
        (2, "backward", "train.py:7 backward4"),
        (2, "step", "SGD.step"),
    )
