"""How often identical code was called different, by machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradbench.report.tables.table import ReportTable
from gradbench.report.twins import Tally, interval_text

if TYPE_CHECKING:
    from gradbench.report.content import Content
    from gradbench.statistics.share import Share


def draw(content: Content) -> list[ReportTable]:
    """Draw what the twins of each machine showed.

    Args:
        content: What the report shows.

    Returns:
        One table; none where no block has a twin with an interval.
    """
    import pandas as pd

    shown, data = [], []
    for twins in content.twins:
        where = {"host": twins.host, "device": twins.device}
        tallies = [("shown", twins.shown)]
        if twins.pooled.different.trials > twins.shown.different.trials:
            tallies.append(("all", twins.pooled))
        for blocks, tally in tallies:
            shown.append({**where, "blocks": blocks, "runs": str(tally.runs), **_texts(tally)})
            data.append(
                {
                    **{**where, "blocks": blocks, "runs": tally.runs},
                    "trials": tally.different.trials,
                    **{"different": tally.different.hits, "held": tally.held.hits},
                    **tally.different.columns("different_share"),
                    **tally.held.columns("held_share"),
                }
            )
    if not shown:
        return []
    return [
        ReportTable(
            "twins",
            "How often identical code was called different",
            pd.DataFrame(shown),
            pd.DataFrame(data),
            "Every block measures its baseline twice. Called different: the second was faster or "
            f"slower than the first by more than {100 * content.margin:g} %, by its interval. Held "
            "1: the interval of their ratio did, which 95 % should. Below each its share with the "
            "exact 95 % interval; all: the blocks of every run of this machine below the path, "
            "each by itself.",
            ("runs", "called different", "held 1"),
            None,
        )
    ]


def _texts(tally: Tally) -> dict[str, str]:
    return {"called different": _text(tally.different), "held 1": _text(tally.held)}


def _text(share: Share) -> str:
    return f"{share.hits} of {share.trials}\n{interval_text(share)}"
