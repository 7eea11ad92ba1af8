"""A table of the report: one frame of text for the page, Markdown and LaTeX, and its data."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from gradbench.report.escape import latex_letters, spreadsheet
from gradbench.report.markdown import escape as markdown

if TYPE_CHECKING:
    import pandas as pd
    from great_tables import GT

_BREAK = re.compile(r"(\\\\(?:\[[\d.]+pt\])? ?\n)\s*([\[*])")


def slug(*names: str) -> str:
    """Make a name for files from names that may hold anything.

    Args:
        names: The names.

    Returns:
        Letters, digits, ``_`` and ``-`` alone.
    """
    return "-".join(re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40] for name in names)


@dataclass(frozen=True)
class ReportTable:
    """A table with its words.

    Args:
        name: Name, also of its files.
        title: Heading.
        text: Cells as people read them; what follows a line end within a cell is a smaller line.
            The columns are the headings.
        data: The same rows as data, or more, for spreadsheets and programs.
        caption: What it shows, in a sentence or two.
        right: Headings of the columns set to the right.
        group: Heading of the column whose values divide the rows, or None.
        filters: Filter that a column's text answers to, by heading.
        paper: Headings of the columns that LaTeX gets, where all are too many; empty is all.
        scope: Value of each filter that the whole table answers to.
    """

    name: str
    title: str
    text: pd.DataFrame
    data: pd.DataFrame
    caption: str = ""
    right: tuple[str, ...] = ()
    group: str | None = None
    filters: dict[str, str] = field(default_factory=dict)
    scope: dict[str, str] = field(default_factory=dict)
    paper: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Headings as they are shown, without the group's."""
        return [str(name) for name in self.text.columns if name != self.group]

    def html(self) -> Markup:
        """Draw it as HTML.

        Returns:
            A ``<table>`` in which every text is escaped.
        """
        frame = self.text.map(_html_cell).astype(object)
        if self.group is not None:  # row groups are escaped by Great Tables
            frame[self.group] = self.text[self.group].map(str)
        table = self._great_table(frame).fmt_passthrough(self.columns, escape=False)
        drawn = table.as_raw_html()
        return Markup(drawn[drawn.index("<table") : drawn.rindex("</table>") + len("</table>")])

    def latex(self) -> str:
        """Write it as LaTeX with booktabs.

        Returns:
            A ``table`` environment; a long one is a ``longtable``.
        """
        text = self.text[[*self.paper]] if self.paper else self.text
        frame = text.map(_latex_cell).astype(object)
        great = self._great_table(frame).tab_header(" ".join(self.title.split()))
        great = great.tab_options(table_font_size="8pt")
        long = len(frame) > 45
        written = latex_letters(great.as_latex(use_longtable=long))
        # After \\ LaTeX takes [ and * for arguments.
        return _BREAK.sub(r"\1{}\2", written).rstrip() + "\n"

    def markdown(self) -> str:
        """Write it as Markdown.

        Returns:
            A heading, the caption and a table.
        """
        named = list(self.text.columns)
        rule = ["---:" if name in self.right else "---" for name in named]
        rows = [[markdown(str(cell)) for cell in row] for row in self.text.itertuples(index=False)]
        lines = [[markdown(str(name)) for name in named], rule, *rows]
        drawn = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        caption = f"{markdown(self.caption)}\n\n" if self.caption else ""
        return f"## {markdown(self.title)}\n\n{caption}{drawn}\n"

    def csv(self) -> str:
        """Write its data as CSV; text that a spreadsheet would run is set behind an apostrophe.

        Returns:
            The CSV with a line of names.
        """
        safe = self.data.map(spreadsheet)
        safe.columns = [spreadsheet(str(name)) for name in safe.columns]
        return str(safe.to_csv(index=False))

    def _great_table(self, frame: pd.DataFrame) -> GT:
        import pyarrow as pa
        from great_tables import GT

        # Great Tables sets cell by cell, which costs pandas four times what it costs Arrow.
        cells = pa.Table.from_pandas(frame, preserve_index=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*experimental")
            table = GT(cells, groupname_col=self.group, id=self.name)
        shown = [name for name in self.columns if name in frame]
        left = [name for name in shown if name not in self.right]
        table = table.cols_align("left", left) if left else table
        right = [name for name in shown if name in self.right]
        return table.cols_align("right", right) if right else table


def _latex_cell(cell: object) -> str:
    """Set a cell in one line, its smaller lines in parentheses."""
    first, *others = (" ".join(line.split()) for line in str(cell).split("\n"))
    return f"{first} ({', '.join(others)})" if others else first


def _html_cell(cell: object) -> str:
    """Escape a cell; its first line stands out where there are more."""
    first, *others = str(cell).split("\n")
    if not others:
        return str(escape(first))
    small = Markup("<br>").join(others)
    return str(Markup("<span class='main'>{}</span><small>{}</small>").format(first, small))
