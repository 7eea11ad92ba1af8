"""What is known of a cell or its block before any figure is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

APPROXIMATE = "approximate"

TIMED = ("ok", APPROXIMATE)
"""Right cells, and those whose updates are off by no more than their strategy states."""


def why_contended(row: Mapping[Any, Any]) -> str:
    """Say why a cell's block is contended: the machine was seen busy, or few samples were clean.

    Args:
        row: Of ``cells``; older files say less.

    Returns:
        The reason in words; empty where the block was quiet.
    """
    seen = row.get("contention")
    if isinstance(seen, str) and seen:
        return seen
    # A flag of NumPy's, too; null where the cell was not measured.
    disturbed = row.get("contended")
    known = disturbed is not None and disturbed == disturbed
    return "most of its samples were disturbed" if known and bool(disturbed) else ""
