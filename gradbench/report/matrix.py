"""A small table of words that sums up many observations, for a terminal or a Markdown page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gradbench.report.markdown import escape, markdown_table

Row = Mapping[str, Any]
"""A row of ``observations``."""

DEFECT = "!"
"""Ends a word that stands for a defect."""

_FOLDS = 60
"""Characters above which a cell takes several lines, so that lines between rows are needed."""


@dataclass(frozen=True)
class Matrix:
    """Rows by columns of words.

    Args:
        title: Heading.
        header: Heading of each column; the first column names the rows.
        rows: Cells, one for each column.
        note: What the words mean, or empty.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def drawn(self) -> RenderableType:
        """Draw it for a terminal; cells with a defect are red.

        Returns:
            The table and its note.
        """
        folded = any(len(cell) > _FOLDS for row in self.rows for cell in row)
        table = Table(title=self.title, title_justify="left", pad_edge=False, show_lines=folded)
        for name in self.header:
            table.add_column(name, overflow="fold")
        for row in self.rows:
            table.add_row(*(Text(cell, "bold red" if DEFECT in cell else "") for cell in row))
        return Group(table, Text(self.note, "dim")) if self.note else table

    def markdown(self) -> str:
        """Write it in Markdown.

        Returns:
            A bold title, the table, the note.
        """
        parts = [f"**{escape(self.title)}**", markdown_table(self.header, self.rows)]
        return "\n\n".join([*parts, escape(self.note)] if self.note else parts)


def merged(columns: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Put columns that say the same in every row into one.

    Args:
        columns: Cells by heading.

    Returns:
        Cells by heading, headings of one column joined by commas.
    """
    names: dict[tuple[str, ...], list[str]] = {}
    for name, cells in columns.items():
        names.setdefault(tuple(cells), []).append(name)
    return {", ".join(same): cells for cells, same in names.items()}


def together(names: Iterable[str]) -> str:
    """List names, those with the same first word together.

    Args:
        names: Such as ``Adam for_loop`` and ``Adam foreach``.

    Returns:
        Such as ``Adam for_loop, foreach; no_grad``.
    """
    rests: dict[str, list[str]] = {}
    for name in names:
        first, _, rest = name.partition(" ")
        rests.setdefault(first, []).append(rest)
    return "; ".join(f"{first} {', '.join(rest)}".strip() for first, rest in rests.items())
