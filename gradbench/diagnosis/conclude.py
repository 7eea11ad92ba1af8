"""From a timeline to the report on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from gradbench.diagnosis.check_list import all_checks, look_all, unknown_check
from gradbench.diagnosis.finding import Severity
from gradbench.diagnosis.tell.report import Report
from gradbench.diagnosis.timeline import OBSERVATION_FAILED, Kind, Timeline


def known_checks(ids: Iterable[str]) -> tuple[str, ...]:
    """Hold ids of checks against those that there are.

    Args:
        ids: Such as ``GB101``, in small letters or capitals.

    Returns:
        The same in capitals.

    Raises:
        BadRequest: There is no such check; the message names those that there are.
    """
    asked = tuple(each.strip().upper() for each in ids)
    there = all_checks() if asked else {}
    for each in asked:
        if each not in there:
            raise unknown_check(each, there)
    return asked


def conclude(
    timeline: Timeline, only: Collection[str] = (), ignore: Collection[str] = ()
) -> Report:
    """Put a timeline to the checks, and report what they find.

    Args:
        timeline: What the program did.
        only: Ids of the checks to look with; none means all.
        ignore: Ids of checks to leave out.

    Returns:
        The report; where a part of the observation failed all findings are notes.

    Raises:
        BadRequest: An id is none of a check.
    """
    unwatched = timeline.seconds - timeline.observing
    dropped = (
        (f"{timeline.dropped:,} events of the first updates, dropped since there were too many",)
        if timeline.dropped
        else ()
    )
    findings = look_all(timeline, only, ignore)
    if any(sentence.startswith(OBSERVATION_FAILED) for sentence in timeline.unseen):
        # What was not seen may be what makes a finding false, and that is worse than a miss.
        findings = tuple(replace(each, severity=Severity.note) for each in findings)
    return Report(
        program=timeline.program,
        findings=findings,
        steps=timeline.steps,
        seconds=timeline.seconds,
        overhead=timeline.seconds / unwatched if unwatched > 0 else 0.0,
        watched=watched_numbers(timeline),
        unseen=(*timeline.unseen, *dropped),
        ended=timeline.ended,
    )


def watched_numbers(timeline: Timeline) -> dict[str, int]:
    """Count what was watched.

    Args:
        timeline: What the program did.

    Returns:
        By their plural: parameters that an optimizer held or a gradient reached, optimizers,
        backward passes.
    """
    optimizers = {event.detail["optimizer"] for event in timeline.of(Kind.optimizer, Kind.step)}
    return {
        "parameters": len(timeline.owners.keys() | timeline.arrivals.keys()),
        "optimizers": len(optimizers),
        "backward passes": len(timeline.of(Kind.backward, Kind.gradient)),
    }
