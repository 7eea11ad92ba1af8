"""Defects to plant, a file for each optimizer, and how they are read.

An entry has three parts, and ends at an empty line:

    about | what is wrong | function | why the hunt does not find it, where it does not
    - text of the function in torch.optim
    + what stands there instead
"""

from __future__ import annotations

from pathlib import Path

from tests.parity.planted.copies import Planted


def read(path: Path) -> list[Planted]:
    """Read the defects in ``Optimizer.txt`` or ``Optimizer_topic.txt``."""
    return [_entry(path.stem.partition("_")[0], text) for text in path.read_text().split("\n\n")]


def _entry(optimizer: str, text: str) -> Planted:
    head, *lines = text.strip("\n").split("\n")
    about, what, place, *unseen = head.split(" | ")
    old, new = ([line[2:] for line in lines if line[:2] == mark] for mark in ("- ", "+ "))
    assert len(old) + len(new) == len(lines), text
    return Planted(optimizer, about, what, place, "\n".join(old), "\n".join(new), *unseen)


PLANTED = tuple(
    planted for path in sorted(Path(__file__).parent.glob("*.txt")) for planted in read(path)
)
"""Every defect."""
