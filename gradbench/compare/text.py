"""A comparison as Markdown and as JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from gradbench.compare.result import FIGURES
from gradbench.compare.sections import (
    changed_counts,
    compared,
    format_interval,
    format_ratio,
    format_time,
    headings,
    not_compared,
    verdict_lines,
)
from gradbench.compare.side import records


def markdown(comparison: pd.DataFrame, *, by: str, failures: list[str]) -> str:
    """Write a comparison in Markdown, for a pull request.

    Args:
        comparison: A comparison.
        by: The figure that decides.
        failures: Why the command will exit with 1.

    Returns:
        GitHub's Markdown.
    """
    figure = FIGURES[by]
    lines = [*(f"- {_safe(line)}" for line in headings(comparison, by)), ""]
    lines += [f"**{line}**  " for line in verdict_lines(comparison, by)]
    lines += _list("Failed:", failures)
    ratios = [
        (
            _safe(row["cell"]) + (" (baseline)" if row["role"] == "baseline" else ""),
            format_time(row, "base"),
            format_time(row, "other"),
            format_ratio(row, figure),
            format_interval(row, figure),
            _emphasised(row[figure.verdict] or ""),
            format_ratio(row, FIGURES["bandwidth"]),
            format_ratio(row, FIGURES["baseline"]),
        )
        for row in records(compared(comparison).sort_values(figure.column, ascending=False))
    ]
    titles = ("cell", "BASE", "OTHER", "ratio", "interval", "verdict")
    lines += _table((*titles, "per bandwidth", "per baseline"), "lrrrrlrr", ratios)
    counts = [
        (_safe(row["cell"]), f"`{row['count']}`", f"{row['base']}", f"{row['other']}")
        for row in changed_counts(comparison)
    ]
    if counts:
        lines += _table(("cell", "count", "BASE", "OTHER"), "llrr", counts)
    for reason, blocks in not_compared(comparison):
        lines += _list(f"Not compared, {reason}:", blocks)
    for remark in comparison.attrs["remarks"]:
        lines += ["", _safe(remark)]
    return "\n".join(lines)


def as_json(comparison: pd.DataFrame, *, by: str, failures: list[str]) -> str:
    """Write a comparison as JSON.

    Args:
        comparison: A comparison.
        by: The figure that decides.
        failures: Why the command will exit with 1.

    Returns:
        An object with ``base``, ``other``, ``margin``, ``left_out``, ``remarks``, ``by``,
        ``failures`` and ``cells``; unknown and infinite figures are null.
    """
    cells = [
        {key: _finite(value) for key, value in row.items()}
        for row in records(pd.DataFrame(comparison))
    ]
    content = {**comparison.attrs, "by": by, "failures": failures, "cells": cells}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _table(titles: tuple[str, ...], sides: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    rule = "|".join("---:" if side == "r" else "---" for side in sides)
    return [
        "",
        f"| {' | '.join(titles)} |",
        f"|{rule}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _list(title: str, items: list[str]) -> list[str]:
    return ["", _safe(title), "", *(f"- {_safe(item)}" for item in items)] if items else []


def _emphasised(verdict: str) -> str:
    return f"**{verdict}**" if verdict in ("slower", "faster") else verdict


def _safe(text: str) -> str:
    """Write text so that Markdown shows it as it is, in a line of its own."""
    line = " ".join(text.split())
    # An underscore within a word emphasises nothing; @ and # would notify and link.
    return re.sub(r"[\\`*{}\[\]<>|~#&@]|(?<!\w)_|_(?!\w)", lambda sign: f"&#{ord(sign[0])};", line)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
