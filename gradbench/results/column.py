"""A column of a table: name, type, unit, meaning."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TEXT, INT, REAL, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: Name, with the unit as suffix where there is one.
        type: Arrow type.
        unit: Unit, or empty.
        description: What it means, in a sentence.
        added: It came after the first files of this schema version: those that lack it are read
            all the same, and it is null there.
        before: What is known to be its value in those files, instead of null.
    """

    name: str
    type: pa.DataType
    unit: str
    description: str
    added: bool = False
    before: str | None = None


def interval(
    name: str, unit: str, description: str, *, added: bool = False
) -> tuple[Column, Column, Column]:
    """Return a figure's column and those of its 95 % interval.

    Args:
        name: Name of the figure.
        unit: Unit, or empty.
        description: What the figure means, in a sentence.
        added: They came after the first files of this schema version.

    Returns:
        The figure, its lower end and its upper end.
    """
    return (
        Column(name, REAL, unit, description, added),
        Column(f"{name}_low", REAL, unit, f"Lower end of the 95 % interval of `{name}`.", added),
        Column(f"{name}_high", REAL, unit, f"Upper end of the 95 % interval of `{name}`.", added),
    )
