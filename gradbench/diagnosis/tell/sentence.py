"""Prose with code in backticks, for the screen."""

from __future__ import annotations

import re

from rich.text import Text

_CODE = re.compile(r"(`[^`\n]+`)")


def prose(text: str, style: str = "") -> Text:
    """Set what stands in backticks as code.

    Args:
        text: Prose; nothing in it is taken for markup.
        style: Style of the whole.

    Returns:
        The same text, its code in a colour.
    """
    said = Text(style=style)
    for place, part in enumerate(_CODE.split(text)):
        said.append(part, "cyan" if place % 2 else "")
    return said
