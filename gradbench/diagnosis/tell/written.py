"""A report as text: for a file, or for another program."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

from rich.console import Console

from gradbench.diagnosis.check_list import all_checks
from gradbench.diagnosis.tell.page import write_page
from gradbench.diagnosis.tell.report import Report
from gradbench.diagnosis.tell.sarif import as_sarif
from gradbench.diagnosis.tell.screen import draw
from gradbench.diagnosis.tell.strip import strip_of
from gradbench.diagnosis.timeline import Timeline

WIDTH = 100
"""Signs of a line of the screen's text where there is no screen."""


def screen_text(report: Report, show_notes: bool = False, width: int = WIDTH) -> str:
    """Write what the screen shows, in plain text.

    Args:
        report: What is told.
        show_notes: Whether notes are drawn, too, and not only counted.
        width: Signs of a line.

    Returns:
        Lines, each with its end.
    """
    console = Console(file=io.StringIO(), width=width, color_system=None, record=True)
    console.print(draw(report, show_notes))
    return "".join(f"{line.rstrip()}\n" for line in console.export_text().splitlines())


def screen_html(report: Report, show_notes: bool = False) -> str:
    """Write what the screen shows as a piece of a page, such as a notebook's.

    Args:
        report: What is told.
        show_notes: Whether notes are drawn, too, and not only counted.

    Returns:
        One element that brings its own style.
    """
    console = Console(file=io.StringIO(), width=WIDTH, record=True, force_jupyter=False)
    console.print(draw(report, show_notes))
    return console.export_html(
        inline_styles=True,
        code_format='<pre style="white-space:pre;overflow-x:auto;line-height:normal;'
        "font-family:Menlo,Consolas,'DejaVu Sans Mono',monospace\">{code}</pre>",
    )


def _json(report: Report, timeline: Timeline, show_notes: bool) -> str:
    return json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"


def _sarif(report: Report, timeline: Timeline, show_notes: bool) -> str:
    checks = [module.CHECK for module in all_checks().values()]
    return json.dumps(as_sarif(report, checks), indent=2, ensure_ascii=False) + "\n"


def _html(report: Report, timeline: Timeline, show_notes: bool) -> str:
    return write_page(report, strip_of(timeline, report.folder))


def _screen(report: Report, timeline: Timeline, show_notes: bool) -> str:
    return screen_text(report, show_notes)


FORMS: dict[str, Callable[[Report, Timeline, bool], str]] = {
    "screen": _screen,
    "json": _json,
    "sarif": _sarif,
    "html": _html,
}
"""How a report is written, by the name of the form."""
