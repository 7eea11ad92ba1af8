"""The truth table of updates: who behaves alike, and what comes of it at each place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from string import ascii_uppercase

from gradbench.report.matrix import DEFECT, Matrix, Row, merged, together

EAGER = "eager"
_WORDS = (
    "old, new: the gradients are those at the weights before, after the update; "
    "wrong: neither, and no error; "
    "!: not what PyTorch documents."
)

_LABELS = [*ascii_uppercase, *map("".join, product(ascii_uppercase, repeat=2))]
_ORDER = ("new", "old", "error", "wrong", "zero", "none")

Key = tuple[str, str, bool, str]


@dataclass
class Behaviour:
    """Ways to update whose outcomes are the same wherever they were seen.

    Args:
        seen: Outcome by placement, operation, whether its input requires grad, and mode.
        members: Names of the ways.
    """

    seen: dict[Key, str]
    members: list[str]

    def takes(self, seen: dict[Key, str]) -> bool:
        """Say whether a way behaves alike in every case that both have."""
        return all(self.seen[key] == seen[key] for key in self.seen.keys() & seen.keys())


def truth_table(rows: Iterable[Row]) -> list[Matrix]:
    """Sum up where updates were placed and what became of the gradients.

    Args:
        rows: Rows of ``observations``.

    Returns:
        What each kind of update does at each place, then operation by operation for the places
        where that depends on the operation; nothing where no updates were placed.
    """
    placed = [row for row in rows if row.get("placement") and row["verdict"] != "skipped"]
    if not placed:
        return []
    kinds = dict(zip(_LABELS, _behaviours(placed), strict=False))
    places = list(dict.fromkeys(row["placement"] for row in placed))
    overview = [
        [f"{letter}: {together(kind.members)}", *(_summary(kind, place) for place in places)]
        for letter, kind in kinds.items()
    ]
    modes = ", ".join(dict.fromkeys(row["mode"] for row in placed))
    header = ["updates that behave alike", *places]
    note = f"{_WORDS} Over all operations, inputs and modes ({modes})."
    return [
        Matrix("Gradients of the step that an update is placed in", header, overview, note),
        *_by_operation(kinds, places),
    ]


def _summary(kind: Behaviour, place: str) -> str:
    """List the outcomes of a kind of update at a place."""
    words = {word for key, word in kind.seen.items() if key[0] == place}
    return " or ".join(sorted(words, key=_place))


def _place(word: str) -> tuple[int, str]:
    """Order outcomes; words that this version does not know come last."""
    bare = word.rstrip(DEFECT)
    return (_ORDER.index(bare) if bare in _ORDER else len(_ORDER), word)


def _by_operation(kinds: dict[str, Behaviour], places: Sequence[str]) -> list[Matrix]:
    """Write a matrix for each place where the operation decides; one for places that agree."""
    titles: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    cases = list(dict.fromkeys(key[1:3] for kind in kinds.values() for key in kind.seen))
    for place in places:
        if any(" or " in _summary(kind, place) for kind in kinds.values()):
            cells = tuple(
                tuple(_modes(kind, place, *case) for kind in kinds.values()) for case in cases
            )
            titles.setdefault(cells, []).append(place)
    matrices = []
    for cells, same in titles.items():
        columns = merged(dict(zip(kinds, zip(*cells, strict=True), strict=True)))
        rows = [
            [operation, "requires grad" if grad else "plain", *words]
            for (operation, grad), *words in zip(cases, *columns.values(), strict=True)
        ]
        header = ["operation", "its input", *columns]
        matrices.append(Matrix(f"Operation by operation: {', '.join(same)}", header, rows))
    return matrices


def _modes(kind: Behaviour, place: str, operation: str, grad: bool) -> str:
    """Say what was seen eagerly, and after it what compiled code did if it did otherwise."""
    words: dict[str, list[str]] = {}
    for (at, of, requires, mode), word in kind.seen.items():
        if (at, of, requires) == (place, operation, grad):
            words.setdefault(word, []).append("eager" if mode == EAGER else "compiled")
    if len(words) < 2:
        return "".join(words)
    return "; ".join(f"{', '.join(dict.fromkeys(modes))}: {word}" for word, modes in words.items())


def _behaviours(rows: Sequence[Row]) -> list[Behaviour]:
    """Group strategies by what they do, the largest group first."""
    seen: dict[str, dict[Key, str]] = {}
    for row in rows:
        key = (row["placement"], row["operation"], row["input_requires_grad"], row["mode"])
        word = row["outcome"] + (DEFECT if row["verdict"] == "defect" else "")
        seen.setdefault(row["strategy"], {})[key] = word
    found: list[Behaviour] = []
    for name in sorted(seen, key=lambda name: -len(seen[name])):
        alike = [kind for kind in found if kind.takes(seen[name])]
        if alike:  # one that was seen in few cases may be like several kinds
            max(alike, key=lambda kind: len(kind.members)).members.append(name)
        else:
            found.append(Behaviour(seen[name], [name]))
    return sorted(found, key=lambda kind: -len(kind.members))
