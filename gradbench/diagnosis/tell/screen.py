"""A report on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from gradbench.diagnosis.finding import Finding, Place, Severity
from gradbench.diagnosis.tell.excerpt import MOST, excerpts
from gradbench.diagnosis.tell.excerpt_drawn import ExcerptDrawn
from gradbench.diagnosis.tell.json_safe import json_safe
from gradbench.diagnosis.tell.report import Report
from gradbench.diagnosis.tell.sentence import prose
from gradbench.diagnosis.tell.source_code import highlighted
from gradbench.diagnosis.tell.words import BECOMES, counted, listed, remarks, summary

STYLES = {Severity.error: "bold red", Severity.warning: "bold yellow", Severity.note: "bold blue"}
"""How each severity looks."""

_PROSE = 88
"""Signs of a line of prose, on however wide a screen."""

_LONG = 300
"""Signs of a measured value beyond which it is cut; the JSON has all of it."""


def draw(report: Report, show_notes: bool = False) -> RenderableType:
    """Draw a report.

    Args:
        report: What is told.
        show_notes: Whether notes are drawn, too, and not only counted.

    Returns:
        What rich prints: each finding with its source, what happened, why, and what to write
        instead; then what was watched.
    """
    shown = report.findings if show_notes else report.alarming
    parts: list[RenderableType] = []
    explained: set[tuple[str, str]] = set()
    for finding in shown:
        told = (finding.check.id, finding.fix)
        parts += [_finding(report, finding, told in explained), Text()]
        explained.add(told)
    style = STYLES[shown[0].severity] if shown else "green"
    if shown:
        parts.append(Rule(style="dim"))
    parts.append(prose(summary(report, show_notes), style if shown else "bold green"))
    parts += [prose(sentence, "dim") for sentence in remarks(report, bool(shown))]
    return Group(*parts)


def _finding(report: Report, finding: Finding, explained: bool) -> RenderableType:
    """Draw a finding; why and what instead only where they were not told above."""
    check, style = finding.check, STYLES[finding.severity]
    becomes = BECOMES.get(finding.symptom, finding.symptom)
    heading = Text.assemble(
        (f"{finding.severity.value} {check.id}", style), (f" · {becomes}" if becomes else "")
    )
    pictures = [
        ExcerptDrawn(excerpt, _where(report, excerpt.place), style) for excerpt in excerpts(finding)
    ]
    parts: list[RenderableType] = [Rule(heading, align="left", style="dim")]
    parts += [prose(check.title, "bold"), Text()]
    for picture in pictures:
        parts += [picture, Text()]
    return Group(*parts, _told(finding, explained))


def _told(finding: Finding, explained: bool) -> Table:
    """Tabulate what happened, to which parameters, why, and what to write instead."""
    check = finding.check
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", max_width=_PROSE)
    rows: list[tuple[str, RenderableType]] = [("what happened", prose(finding.message))]
    if finding.parameters:
        rows.append(("parameters", Text(listed(finding.parameters))))
    if len(finding.also) > MOST:
        rows.append(("", Text(f"and {counted(len(finding.also) - MOST, 'lines')} not shown")))
    if finding.evidence:
        rows.append(("measured", Text(", ".join(_measured(finding)))))
    if explained:
        rows.append(("why", Text(f"as for {check.id} above")))
    else:
        rows.append(("why", prose(check.why)))
        if finding.fix:
            rows.append(("write instead", highlighted(finding.fix)))
    rows.append(("more", Text(f"python -m gradbench explain {check.id}")))
    for name, value in rows:
        table.add_row(name, value)
    return table


def _where(report: Report, place: Place) -> str:
    where = f"{report.shown(place.file)}:{place.line}"
    return f"{where} in {place.function}" if place.function not in ("", "<module>") else where


def _measured(finding: Finding) -> Iterator[str]:
    for name, value in finding.evidence.items():
        safe = json_safe(value)
        said = f"{safe:.4g}" if isinstance(safe, float) else safe
        said = said if isinstance(said, str) else json.dumps(safe, ensure_ascii=False)
        yield f"{name} {said if len(said) <= _LONG else said[:_LONG] + '…'}"
