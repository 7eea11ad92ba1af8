"""Text from results as text, in LaTeX and in spreadsheets."""

from __future__ import annotations

import re
import unicodedata

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

_LATEX = {
    "\u202f": r"\,",
    "\u00a0": "~",
    "µ": r"\textmu{}",
    "μ": r"\textmu{}",
    "×": r"\(\times\)",
    "·": r"\(\cdot\)",
    "±": r"\(\pm\)",
    "–": "--",
    "—": "---",
    "−": r"\(-\)",
    "→": r"\(\to\)",
    "≤": r"\(\leq\)",
    "≥": r"\(\geq\)",
    "≈": r"\(\approx\)",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "\u2018": "`",
    "\u2019": "'",
    "α": r"\(\alpha\)",
    "β": r"\(\beta\)",
    "ε": r"\(\varepsilon\)",
    "ν": r"\(\nu\)",
    "²": r"\(^2\)",
    "√": r"\(\surd\)",
    "✓": r"yes",
}


def spreadsheet(value: object) -> object:
    """Make a value safe in a CSV that a spreadsheet opens.

    Args:
        value: A value; numbers and None are returned as they are.

    Returns:
        The text, behind an apostrophe where a program would take it for a formula.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value


def latex_letters(value: str) -> str:
    """Replace the letters that a plain LaTeX does not know, after its own signs are escaped.

    Args:
        value: LaTeX, with letters of any script.

    Returns:
        The same in ASCII and Latin letters; others become their code points, such as U+4E2D.
    """
    return "".join(_latex_letter(letter) for letter in value)


def _latex_letter(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isprintable() or letter == "\n" else " "
    if letter in _LATEX:
        return _LATEX[letter]
    if "\u00c0" <= letter <= "\u017f":  # Latin-1 and Latin Extended-A, which inputenc knows
        return letter
    if unicodedata.combining(letter) or unicodedata.category(letter) in {"Cf", "Cc"}:
        return ""
    return rf"\texttt{{U+{ord(letter):04X}}}"
