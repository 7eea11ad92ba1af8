"""The page's picture of what happened: a row for each step, and where the findings lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from gradbench.diagnosis.tell.report import Report
from gradbench.diagnosis.tell.strip import Mark

MOST_ROWS, MOST_CHIPS = 24, 60
"""How much is drawn; what is left out is said."""

_PLACE = re.compile(r"(.+?:\d+)(?:\s|$)")

_LETTER, _INSIDE, _GAP, _HEIGHT, _ROW, _LABEL = 6.6, 14, 4, 22, 44, 92


@dataclass(frozen=True)
class Chip:
    """Events of one kind that follow each other.

    Args:
        kind: Their kind.
        text: What is written on it.
        tip: What a pointer over it is told.
        findings: Numbers of the findings whose cause it is, from 1.
        x: Where it begins.
        width: How wide it is.
    """

    kind: str
    text: str
    tip: str
    findings: tuple[int, ...]
    x: float
    width: float


@dataclass(frozen=True)
class Row:
    """Steps in which the same happened.

    Args:
        label: Such as ``step 3`` or ``steps 3–8``.
        chips: What happened, in order.
        left_out: How many chips are not drawn.
        y: Where it begins.
    """

    label: str
    chips: tuple[Chip, ...]
    left_out: int
    y: float


@dataclass(frozen=True)
class Picture:
    """Rows, and how large they are together.

    Args:
        rows: From the first step.
        kinds: The kinds that occur, in order of appearance.
        left_out: How many rows are not drawn.
        width: Of the whole.
        height: Of the whole.
        chip_height: Of a chip.
    """

    rows: tuple[Row, ...]
    kinds: tuple[str, ...]
    left_out: int
    width: float
    height: float
    chip_height: float = _HEIGHT


def picture(report: Report, events: Sequence[Mark]) -> Picture:
    """Lay the picture out.

    Args:
        report: What is told; its findings are marked where a label begins with their place.
        events: Step, kind and label of what happened, in order.

    Returns:
        The picture.
    """
    at: dict[str, list[int]] = {}
    for number, finding in enumerate(report.findings, start=1):
        for file in {finding.place.file, report.shown(finding.place.file)}:
            at.setdefault(f"{file}:{finding.place.line}", []).append(number)
    steps = [(step, _runs(group, at)) for step, group in groupby(events, key=lambda mark: mark[0])]
    same = [list(group) for _, group in groupby(steps, key=lambda each: each[1])]
    rows = tuple(
        Row(
            label=_steps(group[0][0], group[-1][0]),
            chips=tuple(_laid_out(group[0][1][:MOST_CHIPS])),
            left_out=max(0, len(group[0][1]) - MOST_CHIPS),
            y=place * _ROW + _ROW - _HEIGHT - 4,
        )
        for place, group in enumerate(same[:MOST_ROWS])
    )
    right = [chip.x + chip.width for row in rows for chip in row.chips]
    return Picture(
        rows=rows,
        kinds=tuple(dict.fromkeys(kind for _, kind, _ in events)),
        left_out=max(0, len(same) - MOST_ROWS),
        width=max(right, default=0) + 70,
        height=len(rows) * _ROW + 4,
    )


_Run = tuple[str, tuple[int, ...], tuple[str, ...]]
"""Kind, findings and labels of events that are one chip."""


def _runs(events: Iterable[Mark], at: dict[str, list[int]]) -> list[_Run]:
    """Join events of a kind that follow each other and belong to the same findings."""

    def key(mark: Mark) -> tuple[str, tuple[int, ...]]:
        place = _PLACE.match(mark[2])
        return mark[1], tuple(at.get(place[1], ())) if place else ()

    return [
        (kind, findings, tuple(label for _, _, label in group))
        for (kind, findings), group in groupby(events, key=key)
    ]


def _laid_out(runs: Iterable[_Run]) -> Iterator[Chip]:
    x = float(_LABEL)
    for kind, findings, labels in runs:
        text = kind if len(labels) == 1 else f"{kind} ×{len(labels)}"
        width = round(_LETTER * len(text) + _INSIDE, 1)
        tip = labels[0] if len(set(labels)) == 1 else f"{labels[0]} … {labels[-1]}"
        yield Chip(kind, text, tip, findings, round(x, 1), width)
        x += width + _GAP


def _steps(first: int, last: int) -> str:
    return f"step {first}" if first == last else f"steps {first}–{last}"
