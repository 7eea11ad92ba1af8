"""Blocks during which a machine's processors lay farther apart than they did in others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradbench.statistics.selection import lies_apart

if TYPE_CHECKING:
    import pandas as pd

_MACHINE = ["host", "device_name", "threads"]
_NAMED = 8


def apart_lines(cells: pd.DataFrame) -> list[str]:
    """Name the blocks that were measured with the processors apart.

    A block alone cannot tell: on some machines processors always lie apart. Where the same
    machine's lay together in another block, the fastest strategy here may not be the fastest there.

    Args:
        cells: Rows of ``cells``, of any machines.

    Returns:
        One line for each machine that has such blocks: those whose ``exchange_s`` is more than
        ``EXCHANGE_LIMIT`` times the least of the same host, device and threads.
    """
    if "exchange_s" not in cells:
        return []
    blocks = cells[cells["exchange_s"].notna()].drop_duplicates(["run", "host", "block"])
    lines = []
    for (host, *_), seen in blocks.groupby(_MACHINE, dropna=False, sort=True):
        least = seen["exchange_s"].min()
        apart = seen[[lies_apart(each_s, least) for each_s in seen["exchange_s"]]]
        if apart.empty:
            continue
        names = list(dict.fromkeys(apart["model"] + " · " + apart["rule"]))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(
            f"{host} moved its processors apart for {len(apart)} of {len(seen)} blocks: their "
            f"threads took {1e6 * apart['exchange_s'].median():.3g} µs to hand over what they had "
            f"written, in others {1e6 * least:.3g} µs. Together, another strategy may be the "
            f"fastest: {', '.join(names[:_NAMED])}{more}."
        )
    return lines
