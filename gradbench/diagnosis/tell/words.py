"""Sentences of a report that the screen and the page share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from gradbench.diagnosis.finding import Severity
from gradbench.diagnosis.tell.report import Report

BECOMES = {
    "none": "the gradient is None",
    "zero": "the gradient is zero",
    "stale": "the gradient or value is stale",
    "doubled": "it counts more than once",
    "lost": "the update or gradient is lost",
    "wrong": "the gradient or update is wrong",
    "moves": "it moves and should not",
    "nan": "the gradient is NaN or infinite",
    "error": "it ends with an error",
}
"""What each symptom means."""


def counted(number: int, plural: str) -> str:
    """Say how many.

    Args:
        number: How many.
        plural: Of what, such as ``backward passes``.

    Returns:
        Such as ``1 backward pass``, ``8 updates`` or ``no update``.
    """
    singular = plural.removesuffix("es") if plural.endswith("sses") else plural.removesuffix("s")
    return f"no {singular}" if number == 0 else f"{number:,} {singular if number == 1 else plural}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Join names: ``a, b and c``, of many the first few and how many more."""
    if len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most} more"]
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def watched(steps: int, numbers: Mapping[str, int]) -> str:
    """Say what was watched.

    Args:
        steps: How many updates.
        numbers: How many of what else, by their plural.

    Returns:
        Such as ``8 updates of 12 parameters by 1 optimizer, 8 backward passes``.
    """
    rest = dict(numbers)
    words = counted(steps, "updates")
    if steps:
        for preposition, plural in (("of", "parameters"), ("by", "optimizers")):
            if plural in rest:
                words += f" {preposition} {counted(rest.pop(plural), plural)}"
    return ", ".join([words, *(counted(number, plural) for plural, number in rest.items())])


def summary(report: Report, show_notes: bool) -> str:
    """Say in one sentence how many findings there are, or what was watched without any.

    Args:
        report: The report.
        show_notes: Whether the notes are shown with it.

    Returns:
        Such as ``train.py: 1 error, 2 warnings`` or ``nothing found: watched 8 updates …``.
    """
    errors, warnings, notes = (report.of(severity) for severity in Severity)
    counts = [
        counted(len(found), plural)
        for found, plural in ((errors, "errors"), (warnings, "warnings"))
        if found
    ]
    shown_notes = [counted(len(notes), "notes")] if notes and show_notes else []
    if counts or shown_notes:
        said = f"{report.shown(report.program)}: {', '.join(counts + shown_notes)}"
    elif not report.steps and not any(report.watched.values()):
        said = "nothing found, and nothing watched: there was no update and no backward pass"
    else:
        said = f"nothing found: watched {watched(report.steps, report.watched)}"
    if notes and not show_notes:
        said += (
            f"; {counted(len(notes), 'notes')}: --notes shows {'it' if len(notes) == 1 else 'them'}"
        )
    return said


def remarks(report: Report, found: bool) -> Iterator[str]:
    """Say what has to be known of a report beside its findings.

    Args:
        report: The report.
        found: Whether findings are shown, so that the summary does not say what was watched.

    Yields:
        What was watched where that is not the summary, how long it took, why it was ended, what
        could not be seen.
    """
    if found:
        digits = ".1f" if report.seconds >= 1 else ".2g"
        took = f" in {report.seconds:{digits}} s" if report.seconds > 0 else ""
        if took and math.isfinite(report.overhead) and report.overhead > 0:
            took += f", at least {report.overhead:.1f} times as long as unwatched"
        yield f"watched {watched(report.steps, report.watched)}{took}"
    if report.ended:
        yield report.ended
    for sentence in report.unseen:
        yield f"not seen: {sentence}"
