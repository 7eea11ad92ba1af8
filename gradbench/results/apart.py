"""Blocks during which a machine's processors lay farther apart than they did at other times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.statistics.selection import EXCHANGE_LIMIT

if TYPE_CHECKING:
    import pandas as pd

_MACHINE = ["host", "device_name", "threads"]


def mark_apart(cells: pd.DataFrame) -> pd.DataFrame:
    """Call blocks contended whose exchange control was slow from beginning to end.

    A block alone cannot tell: on some machines processors always lie apart. Where the same
    machine's did not in another block, what was the fastest here may not be there.

    Args:
        cells: Rows of ``cells``, of any machines.

    Returns:
        The rows, with a reason in ``contention`` where there is none and ``exchange_s`` is more
        than ``EXCHANGE_LIMIT`` times the least of the same host, device and threads.
    """
    if "exchange_s" not in cells or cells["exchange_s"].isna().all():
        return cells
    least = cells.groupby(_MACHINE, dropna=False)["exchange_s"].transform("min")
    apart = (cells["exchange_s"] > EXCHANGE_LIMIT * least) & cells["contention"].isna()
    if not apart.any():
        return cells
    said = [
        f"its processors lay apart: they exchanged data in {here * 1e6:.3g} µs, in another block "
        f"in {there * 1e6:.3g} µs"
        for here, there in zip(cells["exchange_s"][apart], least[apart], strict=True)
    ]
    contention: Any = cells["contention"].astype(object).copy()
    contention[apart] = said
    return cells.assign(contention=contention)
