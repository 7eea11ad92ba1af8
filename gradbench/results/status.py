"""Statuses of cells that have figures."""

APPROXIMATE = "approximate"

TIMED = ("ok", APPROXIMATE)
"""Right cells, and those whose updates are off by no more than their strategy states."""
