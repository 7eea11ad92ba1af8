"""A report as one page that needs nothing but itself."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from rich.syntax import Syntax

from gradbench.diagnosis.finding import Finding
from gradbench.diagnosis.tell.excerpt import Line, excerpts
from gradbench.diagnosis.tell.json_safe import json_safe
from gradbench.diagnosis.tell.picture import picture
from gradbench.diagnosis.tell.report import Report
from gradbench.diagnosis.tell.rule_help import DOCUMENTATION, explain_command, with_links
from gradbench.diagnosis.tell.strip import Mark
from gradbench.diagnosis.tell.words import BECOMES, remarks, summary
from gradbench.version import __version__

_TEMPLATES = Path(__file__).parent / "template"
_COLOURED = re.compile(
    r"Token\.(?:Literal\.|Name\.|Operator\.)?(Keyword|String|Number|Comment|Decorator|Word)"
)
_STYLE = Path(__file__).parents[2] / "report" / "template" / "style.css"
"""The style of every page of gradbench."""


def write_page(report: Report, events: Sequence[Mark] = ()) -> str:
    """Write the page.

    Args:
        report: What is told.
        events: Step, kind and label of what happened, in order, for the picture; a finding is
            marked where a label begins with its place, such as ``train.py:41``.

    Returns:
        HTML that asks the network for nothing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"code": _prose, "python": _python}
    style = _STYLE.read_text(encoding="utf-8") + (_TEMPLATES / "style.css").read_text("utf-8")
    return environment.get_template("page.html").render(
        program=report.shown(report.program),
        summary=summary(report, show_notes=True),
        remarks=list(remarks(report, found=bool(report.findings))),
        findings=[_shown(report, finding) for finding in report.findings],
        picture=picture(report, events) if events else None,
        documentation=DOCUMENTATION,
        version=__version__,
        style=Markup(style),
        script=Markup((_TEMPLATES / "page.js").read_text("utf-8")),
    )


def _shown(report: Report, finding: Finding) -> dict[str, Any]:
    """Write a finding as the template's words."""
    check = finding.check
    return {
        "check": check.id,
        "severity": finding.severity.value,
        "becomes": BECOMES.get(finding.symptom, finding.symptom),
        "title": check.title,
        "message": finding.message,
        "why": check.why,
        "fix": finding.fix,
        "parameters": finding.parameters,
        "evidence": [(name, _value(value)) for name, value in finding.evidence.items()],
        "source": with_links(check.source),
        "command": explain_command(check.id),
        "excerpts": [
            {
                "where": f"{report.shown(excerpt.place.file)}:{excerpt.place.line}",
                "function": excerpt.place.function,
                "lines": _with_gaps(excerpt.lines),
                "roles": excerpt.roles,
            }
            for excerpt in excerpts(finding)
        ],
    }


def _with_gaps(lines: Sequence[Line]) -> list[tuple[Line, bool]]:
    """Return each line, and whether lines are left out before it."""
    before = [None, *(line.number for line in lines)]
    return [
        (line, last is not None and line.number > last + 1)
        for last, line in zip(before, lines, strict=False)
    ]


def _value(value: Any) -> str:
    safe = json_safe(value)
    if isinstance(safe, float):
        return f"{safe:.6g}"
    return safe if isinstance(safe, str) else json.dumps(safe, ensure_ascii=False)


def _prose(text: str) -> Markup:
    """Escape text, and set what stands in backticks as code, addresses as links."""
    safe = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"https://[\w./#?=-]*[\w/]", r'<a href="\g<0>">\g<0></a>', safe))


def _python(code: str) -> Markup:
    """Escape code, and say of each piece what it is: a keyword, a comment or such."""
    lexer = Syntax("", "python").lexer
    tokens = lexer.get_tokens(code) if lexer else [("Token", code)]
    pieces = []
    for kind, text in tokens:
        found = _COLOURED.match(str(kind))
        piece = escape(text)
        pieces.append(
            Markup('<i class="{}">{}</i>').format(found[1].lower(), piece) if found else piece
        )
    return Markup("").join(pieces).rstrip("\n")
