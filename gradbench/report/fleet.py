"""A fleet: more cells than a page can draw, summed up over machines alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradbench.report.scan import opened
from gradbench.results.pooling import STATUSES
from gradbench.results.question import BLOCK, WHAT, questions

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.results.files import TableFiles

MOST_CELLS = 20_000
"""Cells that are all drawn; where there are more, machines alike are summed up."""

SHOWN_CELLS = 2_000
"""Cells that are then drawn one by one, of machines that stand for their like."""

DEVICE = ("device", "device_name", "driver", "clock_hz", "torch_version")
"""What makes two machines alike."""

_BLOCKS = f"""
SELECT run, host, block,
       {", ".join(f"max({name}) AS {name}" for name in (*DEVICE, "gradbench_version", *WHAT))},
       max(parameters) AS parameters, max(tensors) AS tensors,
       max(cell) FILTER (role = 'baseline') AS cell,
       'baseline' AS role,
       count(*) AS cells,
       max(update_s) FILTER (role = 'baseline' AND status = 'ok') AS baseline_s,
       min(file) AS file
FROM rows GROUP BY run, host, block ORDER BY run, host, block
"""
_ALIKE = (*DEVICE, "model", "options", "rule", "dtype", "threads", "cache", "strategy", "zeroing")
_TIMED = "status IN ('ok', 'approximate')"
_SPREAD = f"""
, machines AS (
    SELECT {", ".join(_ALIKE)}, host, question,
           bool_or(role = 'baseline') AS baseline,
           arg_min(status, list_position({list(STATUSES)}, status)) AS status,
           bool_and(coalesce(contended, false) OR coalesce(contention, '') <> '') AS contended,
           exp(avg(ln(update_s)) FILTER ({_TIMED} AND update_s > 0)) AS update_s,
           exp(avg(ln(speedup)) FILTER ({_TIMED} AND speedup > 0)) AS speedup
    FROM rows JOIN asked USING ({", ".join(BLOCK)})
    WHERE role IN ('baseline', 'candidate')
    GROUP BY ALL
)
SELECT {", ".join(_ALIKE)},
       bool_or(baseline) AS baseline,
       count(DISTINCT host) AS machines,
       count(*) FILTER (status = 'ok') AS ok,
       count(*) FILTER (status = 'approximate') AS approximate,
       count(*) FILTER (status = 'wrong') AS wrong,
       count(*) FILTER (status = 'failed') AS failed,
       count(*) FILTER (status = 'skipped') AS skipped,
       count(*) FILTER (contended) AS contended,
       quantile_cont(update_s, [0.05, 0.5, 0.95]) FILTER ({_TIMED}) AS update_s,
       max(update_s) FILTER ({_TIMED}) AS slowest_s,
       arg_max(host, update_s) FILTER ({_TIMED}) AS slowest_host,
       quantile_cont(speedup, [0.05, 0.5, 0.95]) FILTER ({_TIMED}) AS speedup
FROM machines
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Fleet:
    """What is known of more cells than are drawn.

    Args:
        blocks: A row for each block, with the number of its ``question``, and ``shown``, whether
            it is drawn.
        spread: A row for each cell of machines alike: how many, and quantiles over them, a
            machine's runs of one question taken together by their geometric mean.
    """

    blocks: pd.DataFrame
    spread: pd.DataFrame

    @property
    def shown(self) -> pd.DataFrame:
        """Blocks that are drawn."""
        return self.blocks[self.blocks["shown"]]

    def notes(self) -> list[str]:
        """Say what is not drawn one by one, and where it is to be found."""
        blocks, shown = self.blocks, self.shown
        kinds = _kinds(blocks)
        drawn = set(kinds[blocks["shown"]])
        hosts = shown["host"].drop_duplicates()
        named = ", ".join(hosts.head(8)) + (f" and {len(hosts) - 8} more" if len(hosts) > 8 else "")
        notes = [
            f"{blocks['cells'].sum():,} cells of {blocks['host'].nunique():,} machines are here, "
            f"more than a page can draw. The table of the fleet sums up all of them; everything "
            f"else shows {shown['cells'].sum():,} cells of the machine that is closest to the "
            f"median of its like: {named}."
        ]
        missing = kinds.nunique() - len(drawn)
        if missing:
            notes.append(
                f"{missing} of {kinds.nunique()} kinds of machine are in the table of the fleet "
                "alone: give fewer folders to see their blocks."
            )
        return notes


def survey(files: TableFiles) -> Fleet:
    """Sum a fleet up, and choose the machines that stand for their like.

    Machines are alike in name, driver, clock and torch. Of those, the one that measured most
    blocks is shown, and of several the one whose baselines are closest to the median, by the
    median over its blocks of |log(t / median t)|.

    Args:
        files: Files of ``cells``, each once.

    Returns:
        The fleet.
    """
    with opened(files, "cells") as ask:
        blocks = ask(_BLOCKS)
        blocks = blocks.assign(question=questions(blocks))
        spread = ask(_SPREAD, asked=blocks[[*BLOCK, "question"]])
    return Fleet(blocks.assign(shown=_representative(blocks)), _quantiles(spread))


def _kinds(blocks: pd.DataFrame) -> pd.Series[int]:
    """Number the kinds of machine."""
    return blocks.groupby(list(DEVICE), dropna=False).ngroup()


def _representative(blocks: pd.DataFrame) -> Sequence[bool]:
    """Choose the blocks to draw: of each kind those of one machine, the largest kinds first."""
    import numpy as np

    kinds = _kinds(blocks)
    measured = blocks.assign(kind=kinds).sort_values("baseline_s", kind="stable")
    once = measured.drop_duplicates(["host", "question"])  # a machine may have several runs of it
    same = [once[name] for name in ("kind", *WHAT, "parameters", "tensors")]
    usual = once["baseline_s"].groupby(same, dropna=False).transform("median")
    off = np.abs(np.log(once["baseline_s"] / usual))
    machines = once.assign(off=off).groupby(["kind", "host"], as_index=False)
    ranked = machines.agg(
        measured=("baseline_s", "count"), off=("off", "median"), cells=("cells", "sum")
    ).sort_values(["measured", "off", "host"], ascending=[False, True, True])
    chosen = ranked.drop_duplicates("kind").set_index("kind")
    sizes = ranked["kind"].value_counts()
    left, shown = SHOWN_CELLS, dict[int, str]()
    for kind in sizes.sort_values(ascending=False, kind="stable").index:
        # The first is drawn whatever its size: a page must show something.
        if chosen.loc[kind, "cells"] <= left or not shown:
            shown[kind] = chosen.loc[kind, "host"]
            left -= chosen.loc[kind, "cells"]
    found: Sequence[bool] = (kinds.map(shown) == blocks["host"]).tolist()
    return found


def _quantiles(spread: pd.DataFrame) -> pd.DataFrame:
    """Make columns of the lists of quantiles."""
    import numpy as np

    for figure in ("update_s", "speedup"):
        lists = [
            values if isinstance(values, list | np.ndarray) else [np.nan] * 3
            for values in spread[figure]
        ]
        for place, name in enumerate((f"{figure}_5", figure, f"{figure}_95")):
            spread[name] = [float(values[place]) for values in lists]
    return spread
