"""``gradbench.compare``: importing it needs neither pandas nor pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gradbench.statistics.verdicts import MARGIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from gradbench.compare.matching import Several
    from gradbench.compare.result import Comparison


def compare(
    base: str | Path | pd.DataFrame,
    other: str | Path | pd.DataFrame,
    *,
    margin: float = MARGIN,
    across: Sequence[str] = (),
    several: Several = "refuse",
) -> Comparison:
    """Compare the update times of two runs, folders, devices or torch versions, cell by cell.

    Cells match where model, rule, options, dtype, threads, cache, strategy and zeroing are equal;
    device, host and versions may differ. Three figures, each OTHER's over BASE's:

    - ``ratio`` = t_o / t_b, of update times, with Welch's interval in log space from both runs'
      replicates (:meth:`gradbench.statistics.ratios.Logarithm.interval`).
    - ``normalised_ratio`` = (t_o · B_o) / (t_b · B_b), B the bandwidth that the control of the
      block reached in the same rounds: how well each device is used.
    - ``relative_ratio`` = (t_o / t_o,baseline) / (t_b / t_b,baseline), each paired by round: what
      is left when all of a machine gets slower or faster.

    Two runs on one machine differ by more than either one's interval, since the machine drifts. A
    cell follows that drift somewhere between not at all and as much as the block's controls did.
    So ``drift_low`` … ``drift_high`` is the interval of ``ratio``, widened to what would be left
    of it had the cell moved as the bandwidth control did, or, where torch is the same and with it
    the baseline's code, as the baseline did. Between two machines, or where several runs are
    pooled on both sides (their scatter holds the drift), it is the interval of ``ratio``.

    ``verdict`` is judged from this interval, ``normalised_verdict`` and ``relative_verdict`` from
    their own intervals: ``same`` within the margin, ``slower`` or ``faster`` beyond the margin and
    the combined noise floors of the twins, else ``unclear``. A busy neighbour shifts ratios, which
    no interval of one run knows: where a block of either side was contended, each of these
    intervals is widened by those noise floors, and nothing is known without them. Two single runs
    on one machine have no ``normalised_verdict``: there the control tells drift, not hardware.

    Args:
        base: What is compared with: a path, narrowed by ``@KEY=VALUE,…`` if need be
            (``results/a@device=cpu``); a JSON file of pytest-benchmark; or rows of ``cells``.
        other: What is compared.
        margin: Smallest relative difference that matters.
        across: Columns in which cells may differ after all, such as ``rule`` or ``threads``.
        several: Where a side has several runs of a cell: ``refuse``, take the ``latest``, or
            ``pool`` them.

    Returns:
        A row for each cell that either side has measured, those of BASE first; times in seconds.
        Where a cell cannot be compared, ``reason`` says why. ``attrs`` holds ``base``, ``other``,
        ``margin``, ``remarks`` and ``left_out``, the files that could not be read.

    Raises:
        BadRequest: A side is not there, holds nothing alike, or holds several measurements of
            one cell, or the margin is none.
    """
    from gradbench.compare.compare import compare_sides

    return compare_sides(base, other, margin=margin, across=across, several=several)
