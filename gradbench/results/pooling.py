"""Several runs of one question as one block."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradbench.results.question import BLOCK, questions
from gradbench.results.schema import CELL, TABLES
from gradbench.results.status import TIMED, why_contended
from gradbench.statistics.intervals import Interval, noise_floor
from gradbench.statistics.ratios import Logarithm, pool
from gradbench.statistics.selection import lies_apart
from gradbench.statistics.verdicts import known

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
Name = tuple[str, ...]
"""The values of ``BLOCK``."""

STATUSES = ("wrong", "approximate", "ok", "failed", "skipped")
"""What a cell is that was measured several times: the first of these that any run says."""

_INTERVALS = tuple(
    column.name.removesuffix("_low") for column in TABLES[CELL] if column.name.endswith("_low")
)
_MIDDLES = (
    *("forward_s", "backward_s", "training_update_s", "training_zero_s", "step_s"),
    *("update_host_s", "update_device_s", "dispatch_s", "dispatch_fraction"),
    *("bandwidth_bytes_per_s", "ceiling_bytes_per_s", "roofline_fraction"),
    *("operations_per_s", "ceiling_operations_per_s"),
)
"""Figures without an interval, of which the median over runs is taken."""

_SUMS = ("budget_s", "rounds", "replicates", "disturbed", "update_replicates", "speedup_replicates")

_OVER = ("over_fastest", "over_fastest_low", "over_fastest_high")


@dataclass(frozen=True)
class PooledRuns:
    """Blocks, those of one question put together.

    Args:
        cells: Rows of ``cells``; all of a question carry ``run``, ``host`` and ``block`` of the
            one recorded last in which anything was measured. ``runs`` is the number of runs whose
            figures a row has, ``run_names`` are theirs.
        blocks: A row for each block there was: ``run``, ``host``, ``block``, and ``pooled_run``,
            ``pooled_host``, ``pooled_block``, what its cells are found under.
    """

    cells: pd.DataFrame
    blocks: pd.DataFrame

    @property
    def together(self) -> int:
        """Number of blocks whose question another one asks as well."""
        names = [f"pooled_{name}" for name in BLOCK]
        return int(self.blocks.duplicated(names, keep=False).sum())

    def named(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Have the rows of another table name the block that their cells are found under.

        Args:
            rows: With ``run``, ``host`` and ``block``.

        Returns:
            The rows of the blocks that are here, those of the block itself first.
        """
        names = [f"pooled_{name}" for name in BLOCK]
        joined = rows.merge(self.blocks, "inner", on=list(BLOCK))
        other = (joined[list(BLOCK)] != joined[names].set_axis(list(BLOCK), axis=1)).any(axis=1)
        joined = joined.loc[other.sort_values(kind="stable").index].drop(columns=list(BLOCK))
        renamed = joined.rename(columns=dict(zip(names, BLOCK, strict=True)))
        return renamed[list(rows.columns)]


def pool_runs(cells: pd.DataFrame) -> PooledRuns:
    """Put the cells of several runs of one question together.

    A cell that several runs measured has their pooled figures
    (:func:`gradbench.statistics.ratios.pool`); those of a busy machine count only where no run
    was quiet, and those for which the processors lay otherwise than in most runs only where no
    other run has the cell: they are of another machine, so to say. It is wrong if it was in any
    run. What refers to the whole block is formed anew: the noise floor from the pooled twin, and
    the time over that of the fastest cell.

    Args:
        cells: Rows of ``cells``.

    Returns:
        The cells, and which block each belongs to.
    """
    import pandas as pd

    cells = cells.drop_duplicates([*BLOCK, "cell", "recorded_at"]).reset_index(drop=True)
    cells = cells.assign(runs=1, run_names=cells["run"])
    if cells.empty:
        return PooledRuns(cells, _names(cells, cells))
    asked = questions(cells)
    places = cells[list(BLOCK)].astype("string").fillna("").agg("\n".join, axis=1)
    several = places.groupby(asked).transform("nunique") > 1
    parts, names = [cells[~several]], [_names(cells[~several], cells[~several])]
    for _, rows in cells[several].groupby(asked[several], sort=False):
        measured = rows[rows["status"] != "skipped"]
        order = (measured if len(measured) else rows).sort_values("recorded_at", kind="stable")
        last = order.iloc[-1]
        parts.append(_question(rows, {name: last[name] for name in BLOCK}))
        leading = rows.assign(**{name: last[name] for name in BLOCK})
        names.append(_names(rows, leading))
    columns = list(cells.columns)
    whole = pd.concat([part for part in parts if len(part)], ignore_index=True)
    # In one piece again: cast column by column, it warns whoever adds one.
    return PooledRuns(whole[columns].copy(), pd.concat(names, ignore_index=True))


def _names(rows: pd.DataFrame, leading: pd.DataFrame) -> pd.DataFrame:
    """Set the block that cells are found under beside each block."""
    pooled = {f"pooled_{name}": leading[name] for name in BLOCK}
    return rows[list(BLOCK)].assign(**pooled).drop_duplicates().reset_index(drop=True)


def _question(rows: pd.DataFrame, block: Row) -> pd.DataFrame:
    """Pool the rows of one question, cell by cell."""
    import pandas as pd

    by_cell: dict[str, list[Row]] = {}
    anything: Any = rows.sort_values("recorded_at", kind="stable").astype(object)
    for row in anything.where(rows.notna(), None).to_dict("records"):
        by_cell.setdefault(str(row["cell"]), []).append(row)
    elsewhere = _elsewhere(by_cell)
    pooled = {name: _cell(found, elsewhere) for name, found in by_cell.items()}
    _mend(list(pooled.values()), one_fastest=_has_one_fastest(by_cell))
    frame = pd.DataFrame([{**row, **block} for row in pooled.values()], columns=rows.columns)
    kinds = {name: kind for name, kind in rows.dtypes.items() if kind.kind in "fib"}
    # None is no number to pandas, and what is unknown of a float is NaN; other kinds have no such.
    numbers = {n: kind for n, kind in kinds.items() if kind.kind == "f" or frame[n].notna().all()}
    return frame.astype(numbers)


def _elsewhere(by_cell: dict[str, list[Row]]) -> set[Name]:
    """Find the blocks for which the processors lay otherwise than for most; of as many, the last.

    Together, threads hand over what they wrote within ``EXCHANGE_LIMIT`` times the least.
    """
    every = (row for rows in by_cell.values() for row in rows)
    rows = sorted(every, key=lambda row: str(row["recorded_at"]))
    seconds = {_name(row): row["exchange_s"] for row in rows if known(row.get("exchange_s"))}
    least_s = min(seconds.values(), default=0.0)
    apart = {name: lies_apart(each_s, least_s) for name, each_s in seconds.items()}
    lay = list(apart.values())
    usual = max(reversed(lay), key=lay.count, default=False)
    return {name for name, each in apart.items() if each != usual}


def _name(row: Row) -> Name:
    return tuple(str(row[part]) for part in BLOCK)


def _cell(rows: Sequence[Row], elsewhere: Container[Name]) -> Row:
    """Pool the measurements of a cell, the last one's words and counts with the figures of all."""
    status = min((str(row["status"]) for row in rows), key=STATUSES.index)
    used = [row for row in rows if row["status"] == status]
    if status in TIMED:
        timed = [row for row in used if known(row["update_s"])] or used
        used = [row for row in timed if not why_contended(row)] or timed
        used = [row for row in used if _name(row) not in elsewhere] or used
    names = ", ".join(dict.fromkeys(str(row["run"]) for row in used))
    row = {**used[-1], "runs": len(used), "run_names": names}
    if len(used) == 1:
        return row
    for name in _INTERVALS:
        _set_interval(row, name, _pooled(used, name))
    for name in filter(row.__contains__, _MIDDLES):
        row[name] = _median([each[name] for each in used])
    for name in filter(row.__contains__, _SUMS):
        counts = [each[name] for each in used if each[name] is not None]
        row[name] = sum(counts) if counts else None
    return row


def _pooled(rows: Sequence[Row], name: str) -> Logarithm | None:
    found = [_logarithm(row, name) for row in rows if known(row.get(name)) and row[name] > 0]
    return pool(found) if found else None


def _logarithm(row: Row, name: str) -> Logarithm:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low is None or high is None:
        low, high = 0.0, math.inf
    counted = row.get(f"{name.removesuffix('_s')}_replicates")
    replicates = row["replicates"] if counted is None else counted
    if low == high:  # the cell that others are measured by
        return Logarithm(math.log(row[name]), ((0.0, 1.0),))
    return Logarithm.of(Interval(row[name], low, high, replicates and int(replicates)))


def _set_interval(row: Row, name: str, found: Logarithm | None) -> None:
    if found is None or name not in row:
        return
    interval = found.interval()
    row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _median(values: Sequence[float | None]) -> float | None:
    import numpy as np

    there = [value for value in values if value is not None and known(value)]
    return float(np.median(there)) if there else None


def _has_one_fastest(by_cell: dict[str, list[Row]]) -> bool:
    """Say whether the same cell was the fastest of every run."""
    blocks, fastest = set(), dict[tuple[Any, ...], str]()
    for name, rows in by_cell.items():
        for row in rows:
            block = tuple(row[part] for part in BLOCK)
            blocks.add(block)
            if all(row.get(end) == 1.0 for end in _OVER):
                fastest[block] = name
    return len(set(fastest.values())) == 1 and fastest.keys() == blocks


def _mend(rows: list[Row], *, one_fastest: bool) -> None:
    """Form anew what refers to other cells of the question."""
    baseline = next((row for row in rows if row["role"] == "baseline"), None)
    if baseline is not None and baseline["status"] != "ok":
        for row in rows:
            row |= dict.fromkeys(("speedup", "speedup_low", "speedup_high", "noise_floor"))
    else:
        floor = _floor(rows)
        for row in rows:
            row["noise_floor"] = None if row["noise_floor"] is None else floor
    asked = not one_fastest and any(known(row.get(_OVER[0])) for row in rows)
    if asked and baseline is not None:
        _refer_to_fastest(rows, baseline)


def _floor(rows: list[Row]) -> float | None:
    """Take the noise floor from the pooled twin; without one, the largest of the runs'."""
    twin = next((row for row in rows if row["role"] == "twin"), None)
    if twin is not None and twin["status"] == "ok" and known(twin["speedup"]):
        ends = twin["speedup_low"], twin["speedup_high"]
        return noise_floor(Interval(twin["speedup"], *ends))
    return max((row["noise_floor"] for row in rows if known(row["noise_floor"])), default=None)


def _refer_to_fastest(rows: list[Row], baseline: Row) -> None:
    """Refer times to the fastest cell of the question by pooled speedups: not every run had it."""
    right = [
        row
        for row in rows
        if row["status"] == "ok"
        and row["role"] in ("baseline", "candidate")
        and row["zeroing"] == baseline["zeroing"]
        and known(row["speedup"])
    ]
    if not right:
        return
    best = max(right, key=lambda row: float(row["speedup"]))
    fastest = _logarithm(best, "speedup")
    for row in rows:
        row |= dict.fromkeys(_OVER)
        if known(row["speedup"]):
            _set_interval(row, _OVER[0], fastest - _logarithm(row, "speedup"))
    best |= dict.fromkeys(_OVER, 1.0)
