"""Two sides, cell by cell: ratios with intervals, verdicts, and counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gradbench.compare.matching import (
    ALIKE,
    PLACES,
    Match,
    Row,
    Several,
    cell_title,
    match_cells,
    said,
)
from gradbench.compare.result import COLUMNS, Comparison
from gradbench.compare.side import Side, read_side
from gradbench.errors import BadRequest
from gradbench.results.status import why_contended
from gradbench.statistics.intervals import Interval
from gradbench.statistics.ratios import Logarithm, combined_noise, pool, widened
from gradbench.statistics.selection import EXCHANGE_LIMIT
from gradbench.statistics.verdicts import check_margin, verdict

COUNTS = ("launches", "peak_extra_bytes")
"""Columns that are exact: compared without statistics, on one kind of device."""

_ONE = Interval(1.0, 1.0, 1.0)

_NAMED = 8
"""Reasons of contention that a remark names."""

_REPLICATES = {
    "update_s": "update_replicates",
    "control_s": "control_replicates",
    "speedup": "speedup_replicates",
}
"""Column of the replicates that are in a figure's interval."""


def compare_sides(
    base: str | Path | pd.DataFrame,
    other: str | Path | pd.DataFrame,
    *,
    margin: float,
    across: Sequence[str],
    several: Several,
) -> Comparison:
    """Compare two sides; see :func:`gradbench.compare`."""
    allowed = (*ALIKE, *PLACES)
    unknown = [column for column in across if column not in allowed]
    if unknown:
        raise BadRequest(f"--across {unknown[0]}: choose from {', '.join(allowed)}")
    if several not in ("refuse", "latest", "pool"):
        raise BadRequest(f"several={several}: choose refuse, latest or pool")
    check_margin(margin)
    sides = read_side(base, "BASE"), read_side(other, "OTHER")
    matches = match_cells(*sides, across=across, several=several)
    rows = [_describe(match) | _compared(match, margin) for match in matches]
    frame = Comparison(pd.DataFrame(rows, columns=list(COLUMNS)).infer_objects())
    frame.attrs |= {
        "base": _summary(sides[0], [match.base for match in matches]),
        "other": _summary(sides[1], [match.other for match in matches]),
        "margin": margin,
        "left_out": [str(left) for side in sides for left in side.left_out],
        "remarks": _remarks(matches),
    }
    return frame


def _describe(match: Match) -> Row:
    """Name a cell, and what each side says of it."""
    first = (match.base or match.other)[0]
    row: Row = {"reason": match.reason}
    for column in ALIKE:
        values = [rows[0][column] for rows in (match.base, match.other) if rows]
        values = [value for value in values if value is not None]
        alike = len(set(values)) <= 1
        words = [said(column, value) for value in values]
        row[column] = next(iter(values), None) if alike else " → ".join(words)
    row["cell"] = cell_title({**first, **row}, match.places)
    row["role"] = first["role"]
    for side, rows in (("base", match.base), ("other", match.other)):
        for column in ("run", "host", "device", "device_name", "torch_version"):
            known = [str(found[column]) for found in rows if found[column] is not None]
            row[f"{side}_{column}"] = ", ".join(dict.fromkeys(known)) or None
        row[f"{side}_runs"] = len(rows)
        if rows:
            time = pool([_time(each) for each in rows]).interval()
            row |= {f"{side}_s": time.estimate, f"{side}_s_low": time.low}
            row[f"{side}_s_high"] = time.high
        for count in COUNTS:
            values = [each[count] for each in rows if each[count] is not None]
            row[f"{side}_{count}"] = max(values) if values else None
    return row


def _compared(match: Match, margin: float) -> Row:
    """Compare the times of a cell, if it can be compared."""
    if match.reason is not None:
        return {}
    same = _measurements(match.base) == _measurements(match.other)
    ratio = _ONE if same else _ratio(match, _time)
    normalised = _ONE if same else _ratio(match, _normalised)
    relative = None if _unlike_baselines(match) else _ONE if same else _ratio(match, _relative)
    noise = 0.0 if same else combined_noise(_noise(match.base), _noise(match.other))
    assert ratio is not None  # a measured cell has a time
    moved = [] if same else _moved(match)
    drifted = ratio if same else widened(ratio, [*_drifts(match), *moved])
    normalised, relative = (each and widened(each, moved) for each in (normalised, relative))
    if not same and _contended(match):
        normalised, relative = (each and _shifted(each, noise) for each in (normalised, relative))
        drifted = _shifted(drifted, noise)
    row: Row = {"noise": noise, "drift_low": drifted.low, "drift_high": drifted.high}
    figures = (
        ("ratio", "verdict", ratio, drifted),
        ("normalised_ratio", "normalised_verdict", normalised, normalised),
        ("relative_ratio", "relative_verdict", relative, relative),
    )
    for name, judged, interval, judge in figures:
        if interval is not None and judge is not None:
            row |= {
                name: interval.estimate,
                f"{name}_low": interval.low,
                f"{name}_high": interval.high,
                judged: verdict(judge, margin=margin, noise=noise),
            }
    if not same and _one_machine(match):
        # One machine has one bandwidth: what its control says of two runs is drift, a verdict not.
        row.pop("normalised_verdict", None)
    return row


def _shifted(interval: Interval, noise: float | None) -> Interval:
    """Widen an interval by the noise floor, since a busy neighbour may have shifted the ratio."""
    reach = math.inf if noise is None else 1 + noise
    return Interval(interval.estimate, interval.low / reach, interval.high * reach)


def _contended(match: Match) -> bool:
    """Say whether a block of either side was measured on a busy machine."""
    return any(map(why_contended, match.base + match.other))


def _ratio(match: Match, figure: Callable[[Row], Logarithm | None]) -> Interval | None:
    """Divide OTHER's figure by BASE's; None where a run does not have it."""
    base, other = (list(map(figure, rows)) for rows in (match.base, match.other))
    known = [[value for value in side if value is not None] for side in (base, other)]
    if known != [base, other]:
        return None
    return (pool(known[1]) - pool(known[0])).interval()


def _time(row: Row) -> Logarithm:
    return _logarithm(row, "update_s")


def _normalised(row: Row) -> Logarithm | None:
    """Take the time in units of what the device's bandwidth could have moved meanwhile.

    The control's time over its traffic is the inverse of the bandwidth, of the same relative error.
    """
    if row["control_s"] is None or row["ceiling_bytes_per_s"] is None:
        return None
    inverse = Logarithm(-math.log(row["ceiling_bytes_per_s"]), _logarithm(row, "control_s").parts)
    return _time(row) - inverse


def _relative(row: Row) -> Logarithm | None:
    """Take the time relative to the run's own baseline, paired by round: 1 / speedup."""
    if row["speedup"] is None:
        return None
    speedup = _logarithm(row, "speedup")
    return Logarithm(-speedup.middle, speedup.parts)


def _logarithm(row: Row, figure: str) -> Logarithm:
    low, high = row[f"{figure}_low"], row[f"{figure}_high"]
    counted = row[_REPLICATES[figure]]
    # Files older than that column have the replicates taken alone.
    replicates = row["replicates"] if counted is None else counted
    if low is None or high is None:
        low, high = 0.0, math.inf
    return Logarithm.of(Interval(row[figure], low, high, replicates))


def _measurements(rows: list[Row]) -> set[tuple[Any, ...]]:
    """Identify measurements: a cell of a block is recorded once in a second."""
    columns = ("run", "host", "block", "cell", "name", "recorded_at", "update_s")
    return {tuple(row[column] for column in columns) for row in rows}


def _drifts(match: Match) -> list[float]:
    """Say by what factors the controls of a block slowed down between two runs on one machine.

    The bandwidth control, and the baseline where torch is the same: then its code is.
    """
    if not _one_machine(match):
        return []
    base, other = match.base[0], match.other[0]
    controls = [(base["ceiling_bytes_per_s"], other["ceiling_bytes_per_s"])]
    if _values(match, "torch_version") and _values(match, "baseline"):
        controls.append((other["baseline_s"], base["baseline_s"]))
    return [first / second for first, second in controls if first and second]


def _moved(match: Match) -> list[float]:
    """Say by what factors a cell may differ since a machine's processors lay apart in one run.

    Hand-over takes longer there, and memory gives more: the ratio may have gone either way.
    """
    base, other = match.base[0]["exchange_s"], match.other[0]["exchange_s"]
    if not (_one_machine(match) and base and other):
        return []
    factor = max(base / other, other / base)
    return [factor, 1 / factor] if factor > EXCHANGE_LIMIT else []


def _one_machine(match: Match) -> bool:
    """Say whether these are single runs of one block on one machine: its controls show drift."""
    single = len(match.base) == len(match.other) == 1
    columns = ("host", "device", "device_name", "model", "rule", "dtype", "threads", "cache")
    if len({row["options"] for row in match.base + match.other}) > 1:
        return False  # another thing does not drift from this one
    return single and all(_values(match, column) for column in columns)


def _values(match: Match, column: str) -> bool:
    """Say whether all measurements have one value, and it is known."""
    values = {row[column] for row in match.base + match.other}
    return len(values) == 1 and None not in values


def _unlike_baselines(match: Match) -> bool:
    """Say whether no ratio to the baseline can be formed: it is another one, or the cell itself."""
    baselines = {row["baseline"] for row in match.base + match.other}
    return len(baselines) > 1 or None in baselines or match.base[0]["role"] == "baseline"


def _noise(rows: list[Row]) -> float | None:
    """Give a side's noise floor: none where the scatter of several runs holds it."""
    if len(rows) > 1 or rows[0]["name"] is not None:  # pytest-benchmark has no twin
        return 0.0
    noise: float | None = rows[0]["noise_floor"]
    return noise


def _summary(side: Side, rows: list[list[Row]]) -> dict[str, Any]:
    """Say where a side's measurements come from."""
    found = [row for each in rows for row in each]
    said: dict[str, Any] = {"named": side.label}
    for column in ("run", "host", "device", "device_name", "torch_version", "gradbench_version"):
        said[column] = sorted({str(row[column]) for row in found if row[column] is not None})
    recorded = [str(row["recorded_at"]) for row in found if row["recorded_at"] is not None]
    said["recorded_at"] = sorted({min(recorded), max(recorded)}) if recorded else []
    return said


def _remarks(matches: Sequence[Match]) -> list[str]:
    """Say what a reader must know to believe the verdicts."""
    compared = [match for match in matches if match.reason is None]
    used = [row for match in compared for row in match.base + match.other]
    remarks = []
    if all(_measurements(match.base) == _measurements(match.other) for match in compared):
        remarks.append("BASE and OTHER are the same measurements.")
        return remarks
    if any(row["name"] is not None for row in used):
        remarks.append(
            "pytest-benchmark has no twin, no bandwidth control and no fresh replicates: what "
            "differs between two runs of it is not in these intervals."
        )
    elif any(len(rows) == 1 for m in compared for rows in (m.base, m.other)):
        remarks.append(
            "One machine: intervals of the time are widened by what its controls drifted by."
            if all(_one_machine(m) for m in compared)
            else "How a machine differs from run to run is not in the interval of a single run: "
            "to have it there, measure several runs on each side and pool them (--several pool)."
        )
    moved = sum(bool(_moved(match)) for match in compared)
    if moved:
        remarks.append(
            f"The machine's processors lay together in one run and apart in the other for {moved} "
            f"of {len(compared)} cells: their intervals are widened by what hand-over differs by."
        )
    contended = sorted({f"{row['run']} ({why})" for row in used if (why := why_contended(row))})
    if contended:
        more = f" and {len(contended) - _NAMED} more" if len(contended) > _NAMED else ""
        remarks.append(
            f"Contended, and their intervals widened by the noise floors: "
            f"{', '.join(contended[:_NAMED])}{more}."
        )
    return remarks
