"""The checks there are, found by their files, and a timeline put to all of them."""

from __future__ import annotations

import difflib
import importlib
import linecache
import pkgutil
import re
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol, cast

from gradbench.diagnosis import checks
from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.timeline import Timeline
from gradbench.errors import BadRequest

_IGNORE = re.compile(r"#\s*gradbench:\s*ignore\[([^\]]*)\]")


class CheckModule(Protocol):
    """What a file of ``gradbench/diagnosis/checks/`` holds."""

    CHECK: Check

    def look(self, timeline: Timeline) -> Iterator[Finding]:
        """Look for the fault.

        Args:
            timeline: What the program did.

        Yields:
            A finding for each time it is there.
        """
        ...


FAILED = Check(
    id="GB000",
    title="A check failed",
    severity=Severity.note,
    symptom="error",
    why="A check of gradbench raised an error: what it looks for was not looked for.",
    fix="",
)
"""What is found where a check raises: a fault of gradbench, none of the program."""


def all_checks() -> Mapping[str, CheckModule]:
    """Find the checks: each file of ``checks/`` whose name does not begin with an underscore.

    Returns:
        The modules by the checks' ids, in order of the ids.

    Raises:
        TypeError: A file has no ``CHECK``, no ``look``, or an id that another has.
    """
    found: dict[str, CheckModule] = {}
    for each in pkgutil.iter_modules(checks.__path__):
        if each.name.startswith("_"):
            continue
        module = importlib.import_module(f"{checks.__name__}.{each.name}")
        check = getattr(module, "CHECK", None)
        if not isinstance(check, Check) or not callable(getattr(module, "look", None)):
            raise TypeError(f"{module.__name__} needs CHECK, a Check, and look(timeline)")
        if check.id in found or check.id == FAILED.id:
            raise TypeError(f"{module.__name__} has the id {check.id}, which another check has")
        found[check.id] = cast(CheckModule, module)
    return MappingProxyType(dict(sorted(found.items())))


def look_all(
    timeline: Timeline, only: Collection[str] = (), ignore: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Put a timeline to the checks.

    A check that raises becomes a note of `FAILED`; the others are not lost. What a comment
    ``# gradbench: ignore[GB101]`` at the line of the cause names is left out.

    Args:
        timeline: What the program did.
        only: Ids of the checks to look with; none means all.
        ignore: Ids of checks to leave out.

    Returns:
        The findings, each once: two of the same check, place and parameters are one.

    Raises:
        BadRequest: An id is none of a check.
    """
    there = all_checks()
    left_out = _known(ignore, there)
    wanted = (_known(only, there) or there.keys()) - left_out
    found: dict[tuple[str, str, Place, tuple[str, ...]], Finding] = {}
    for id_, module in there.items():
        if id_ not in wanted:
            continue
        for finding in _look(module, timeline):
            if not _is_ignored(finding):
                # Two checks may fail at the same line.
                key = (id_, finding.check.id, finding.place, finding.parameters)
                found.setdefault(key, finding)
    return tuple(found.values())


def unknown_check(id_: str, valid: Iterable[str], also: Iterable[str] = ()) -> BadRequest:
    """Say that an id is none.

    Args:
        id_: What was asked for.
        valid: Ids that there are.
        also: Other names that were allowed, and are too many to list.

    Returns:
        The error, to be raised: it names what is close, and the ids.
    """
    valid = list(valid)
    close = difflib.get_close_matches(id_, [*valid, *also])
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    return BadRequest(f"no check {id_}: {meant}choose from {_spans(valid) or '(none)'}")


def _spans(ids: Collection[str]) -> str:
    """List ids, those that follow one another as ``GB101 to GB125``."""
    spans: list[list[str]] = []
    for id_ in sorted(ids):
        if spans and id_[2:].isdigit() and int(id_[2:]) == int(spans[-1][-1][2:]) + 1:
            spans[-1].append(id_)
        else:
            spans.append([id_])
    return ", ".join(
        f"{each[0]} to {each[-1]}" if len(each) > 2 else ", ".join(each) for each in spans
    )


def _known(ids: Collection[str], there: Mapping[str, CheckModule]) -> set[str]:
    """Return ids in capitals, after a look whether they are there."""
    asked = {id_.strip().upper() for id_ in ids}
    for id_ in sorted(asked - there.keys()):
        raise unknown_check(id_, there)
    return asked


def _look(module: CheckModule, timeline: Timeline) -> Iterator[Finding]:
    """Yield what a check finds, and if it raises, that it did."""
    try:
        yield from module.look(timeline)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        said = traceback.format_exception_only(type(error), error)[-1].strip()
        yield FAILED.found(
            Place(last.filename, last.lineno or 1, last.name),
            f"{module.CHECK.id} did not look to the end: {said}",
            evidence={"check": module.CHECK.id, "error": said},
        )


def _is_ignored(finding: Finding) -> bool:
    line = linecache.getline(finding.place.file, finding.place.line)
    return any(
        finding.check.id in {id_.strip().upper() for id_ in named.split(",")}
        for named in _IGNORE.findall(line)
    )
