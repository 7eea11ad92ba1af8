"""Text and tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*\[\]|$~]|(?<!\w)_|_(?!\w))")


def escape(text: object) -> str:
    """Make text safe inside a cell of a Markdown table.

    Args:
        text: Anything; None is empty.

    Returns:
        One line that renders as the text: marks escaped, line ends as ``<br>``.
    """
    if text is None:
        return ""
    if isinstance(text, float):
        return f"{text:.0f}" if text.is_integer() else f"{text:.3g}"
    shown = str(text).strip()
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "<br>".join(_SPECIAL.sub(r"\\\1", line) for line in shown.splitlines())


def markdown_table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Write a table.

    Args:
        header: Heading of each column.
        rows: As many cells in each row.

    Returns:
        Markdown, its cells escaped.
    """
    lines = [f"| {' | '.join(map(escape, header))} |", "|" + "---|" * len(header)]
    lines += [f"| {' | '.join(map(escape, row))} |" for row in rows]
    return "\n".join(lines)
