"""The lines of source that a finding speaks of."""

from __future__ import annotations

import io
import linecache
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass

from gradbench.diagnosis.finding import Finding, Place

AROUND = 2
"""Lines shown before and after the cause."""

MOST = 8
"""Other lines that are shown with a finding."""

Span = tuple[int, int]
"""Columns of a piece of a line, from 0, the end excluded."""


@dataclass(frozen=True)
class Line:
    """A line of an excerpt.

    Args:
        number: Its number, from 1.
        text: Its text, without what all lines of the excerpt are indented by.
        spans: What is to be marked, in the line of the cause.
        role: What happened there; empty where there is nothing to say.
    """

    number: int
    text: str
    spans: tuple[Span, ...] = ()
    role: str = ""

    @property
    def indent(self) -> int:
        """Column of the first sign that is no space."""
        return len(self.text) - len(self.text.lstrip())


@dataclass(frozen=True)
class Excerpt:
    """Lines of one file.

    Args:
        place: The cause, or else the first line that is spoken of.
        lines: In order, with gaps; empty if the file cannot be read.
        roles: What happened at which line, in order.
    """

    place: Place
    lines: tuple[Line, ...]
    roles: tuple[tuple[int, str], ...]


def excerpts(finding: Finding) -> list[Excerpt]:
    """Read the lines that a finding speaks of.

    Args:
        finding: A finding.

    Returns:
        An excerpt for each file, that of the cause first. A file that cannot be read has one
        without lines.
    """
    marked: dict[str, dict[int, list[str]]] = {finding.place.file: {}}
    first = {finding.place.file: finding.place}
    for also in finding.also[:MOST]:
        file, line = also.place.file, also.place.line
        first.setdefault(file, also.place)
        roles = marked.setdefault(file, {}).setdefault(line, [])
        if also.role not in roles:
            roles.append(also.role)
    return [
        _excerpt(
            place=first[file],
            roles={line: ", ".join(filter(None, said)) for line, said in sorted(roles.items())},
            cause=finding.place.line if file == finding.place.file else None,
            title=finding.check.title,
        )
        for file, roles in marked.items()
    ]


def marked_spans(line: str, title: str) -> tuple[Span, ...]:
    """Find what is to be marked in the line of a cause.

    Args:
        line: The line.
        title: The fault in a few words, code in backticks.

    Returns:
        Each time that the line has the title's code; else its code without indent and comment.
    """
    code = line[: _end_of_code(line)]
    for quoted in re.findall(r"`([^`]+)`", title):
        name = re.sub(r"\((…|\.\.\.)?\)$", "", quoted)
        before = r"(?<!\w)" if re.match(r"\w", name) else ""
        after = r"(?!\w)" if re.search(r"\w$", name) else ""
        found = [m.span() for m in re.finditer(f"{before}{re.escape(name)}{after}", code)]
        if found and name:
            return tuple(found)
    return ((len(code) - len(code.lstrip()), len(code)),) if code.strip() else ()


def _end_of_code(line: str) -> int:
    """Return the column at which a line's code ends: before its comment, and spaces before that."""
    end = len(line)
    try:
        for token in tokenize.generate_tokens(io.StringIO(line.lstrip()).readline):
            if token.type == tokenize.COMMENT:
                end = len(line) - len(line.lstrip()) + token.start[1]
    except (tokenize.TokenError, SyntaxError):
        pass  # a part of a statement of several lines: what was seen of it counts
    return len(line[:end].rstrip())


def _excerpt(place: Place, roles: dict[int, str], cause: int | None, title: str) -> Excerpt:
    source = [line.rstrip().expandtabs(4) for line in linecache.getlines(place.file)]
    lines: tuple[Line, ...] = ()
    numbers = _numbers(source, roles, cause)
    if numbers and (cause is None or cause in numbers):
        indent = min(_indent(source[n - 1]) for n in numbers if source[n - 1])
        lines = tuple(
            Line(
                number,
                source[number - 1][indent:],
                marked_spans(source[number - 1][indent:], title) if number == cause else (),
                roles.get(number, ""),
            )
            for number in numbers
        )
    return Excerpt(place, lines, tuple(roles.items()))


def _numbers(source: list[str], roles: Iterable[int], cause: int | None) -> list[int]:
    """Choose the lines to show: those spoken of, what is around the cause, and gaps of one."""
    chosen = {number for number in roles if 1 <= number <= len(source) and source[number - 1]}
    if cause is not None and 1 <= cause <= len(source) and source[cause - 1]:
        near = range(max(1, cause - AROUND), min(len(source), cause + AROUND) + 1)
        written = [number for number in near if source[number - 1]]
        chosen |= set(range(written[0], written[-1] + 1))
    chosen |= {number + 1 for number in chosen if number + 2 in chosen}
    return sorted(chosen)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
