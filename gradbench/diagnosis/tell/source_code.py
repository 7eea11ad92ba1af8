"""Python code on the screen, in the terminal's own colours."""

from __future__ import annotations

from rich.syntax import Syntax
from rich.text import Text


def highlighted(code: str) -> Text:
    """Colour code.

    Args:
        code: Lines of Python, whole or not.

    Returns:
        The same text, which is not to be wrapped.
    """
    syntax = Syntax(code, "python", theme="ansi_dark", background_color="default")
    text = syntax.highlight(code)
    text.rstrip()
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def highlighted_line(code: str) -> Text:
    """Colour one line of code; its indent and its length stay."""
    text = highlighted(code)
    # Pygments drops what it takes for an empty start or end.
    return text if text.plain == code.rstrip() else Text(code, no_wrap=True, overflow="ellipsis")
