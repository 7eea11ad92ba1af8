"""Every matrix that sums up some experiment's observations."""

from __future__ import annotations

from collections.abc import Sequence

from gradbench.report.matrix import Matrix, Row
from gradbench.report.truth_table import truth_table
from gradbench.report.zeroing_tables import zeroing_tables


def matrices(rows: Sequence[Row]) -> list[Matrix]:
    """Sum up observations that are too many to read one by one.

    Args:
        rows: Rows of ``observations``, of one experiment on one device.

    Returns:
        What is made for the columns that are there; nothing for most experiments.
    """
    return [*truth_table(rows), *zeroing_tables(rows)]
