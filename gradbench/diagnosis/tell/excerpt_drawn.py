"""Lines of source on the screen: numbers, marks and what happened where."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from gradbench.diagnosis.tell.excerpt import Excerpt, Line
from gradbench.diagnosis.tell.source_code import highlighted_line

_BEFORE = 12
"""Signs that are kept before what is marked, where a line is too long to be shown whole."""


@dataclass(frozen=True)
class ExcerptDrawn:
    """An excerpt that fits itself into the width it gets.

    Args:
        excerpt: The lines.
        heading: What stands above them: the place.
        style: Style of the marks.
    """

    excerpt: Excerpt
    heading: str
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the heading and the lines, or without a source what happened at which line."""
        lines = self.excerpt.lines
        if not lines:
            yield _uncut(f"  {self.heading}", "bold")
            yield Text("  its source cannot be read", "dim")
            for number, role in self.excerpt.roles:
                yield Text(f"  line {number}: {role}")
            return
        gutter = len(str(lines[-1].number)) + 2
        width = max(20, options.max_width - gutter - 3)
        yield _uncut(f"{'':{gutter}}┌ {self.heading}", "bold")
        before = None
        for line in lines:
            if before is not None and line.number > before + 1:
                yield Text(f"{'':{gutter}}⋮", "dim")
            yield from self._line(line, gutter, width)
            before = line.number

    def _line(self, line: Line, gutter: int, width: int) -> RenderResult:
        """Draw a line, the marks under it, and what happened there."""
        start, code = _window(line, width)
        arrow, number_style = (">", self.style) if line.spans else (" ", "dim")
        yield _row(Text(f"{arrow}{line.number:>{gutter - 2}} ", number_style), code)
        if line.spans:
            marks = _marks(line, start, width, self.style)
            if line.role:
                marks.append(f" {line.role}", self.style)
            yield _row(Text(" " * gutter), marks)
        elif line.role:
            role = Text(f"{' ' * line.indent}└ ", "cyan").append(line.role, "cyan")
            yield _row(Text(" " * gutter), role)


def _window(line: Line, width: int) -> tuple[int, Text]:
    """Return a line from the column on from which its mark is seen, coloured."""
    code = highlighted_line(line.text)
    if not line.spans or cell_len(line.text[: line.spans[0][1]]) <= width:
        return 0, code
    start = min(max(0, line.spans[0][0] - _BEFORE), max(0, len(line.text) - width + 1))
    return (start, Text("…").append_text(code[start + 1 :])) if start else (0, code)


def _marks(line: Line, start: int, width: int, style: str) -> Text:
    marks = Text(style=style, no_wrap=True)
    for begin, end in line.spans:
        begin, end = max(begin, start), max(end, start)
        space = cell_len(line.text[start:begin]) - len(marks)
        marks.append(" " * space + "^" * cell_len(line.text[begin:end]))
    marks.truncate(width)
    return marks


def _row(left: Text, right: Text) -> Text:
    row = Text(no_wrap=True, overflow="ellipsis")
    return row.append_text(left).append("│ ", "dim").append_text(right)


def _uncut(text: str, style: str) -> Text:
    """Return text that is folded where it is too long: a place is to be read whole."""
    return Text(text, style, overflow="fold")
