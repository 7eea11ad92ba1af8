"""What a comparison says beside its ratios: where from, how many, what else differs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gradbench.compare.compare import COUNTS
from gradbench.compare.matching import threads_text
from gradbench.compare.result import FIGURES, Figure, verdict_counts
from gradbench.compare.side import records
from gradbench.statistics.verdicts import known
from gradbench.terminal import figures as text

Row = dict[str, Any]


def headings(comparison: pd.DataFrame, by: str) -> list[str]:
    """Say what is compared.

    Args:
        comparison: A comparison.
        by: The figure that decides.

    Returns:
        A line for each side and one for the figure.
    """
    lines = []
    for name in ("base", "other"):
        side = comparison.attrs[name]
        torch = [f"torch {version}" for version in side["torch_version"]]
        days = list(dict.fromkeys(moment[:10] for moment in side["recorded_at"]))
        groups = [side["run"], side["host"], side["device"], side["device_name"], torch, days]
        said = " · ".join(", ".join(group) for group in groups if group)
        lines.append(f"{name.upper():5}  {said or side['named']}")
    margin = 100 * comparison.attrs["margin"]
    if shared := shared_traits(comparison):
        lines.append(f"cells  {' · '.join(shared)}")
    lines.append(
        f"ratio  OTHER over BASE of the {FIGURES[by].meaning}; same within {margin:g} %, "
        "slower or faster beyond that and the noise floors"
    )
    return lines


def verdict_lines(comparison: pd.DataFrame, by: str) -> list[str]:
    """Count the verdicts of each figure that has any, the deciding one first.

    Args:
        comparison: A comparison.
        by: The figure that decides.

    Returns:
        Lines such as ``by time: 1 slower, 40 same``.
    """
    names = [by, *(name for name in FIGURES if name != by)]
    judged = [name for name in names if comparison[FIGURES[name].verdict].notna().any()]
    return [f"by {name}: {verdict_counts(comparison, name)}" for name in judged]


def changed_counts(comparison: pd.DataFrame) -> list[Row]:
    """List the exact counts that differ, of cells on the same kind of device.

    Args:
        comparison: A comparison.

    Returns:
        ``cell``, ``count`` (its column), ``base`` and ``other`` of each.
    """
    found: list[Row] = []
    for row in records(compared(comparison)):
        if row["base_device"] != row["other_device"]:
            continue
        for count in COUNTS:
            base, other = row[f"base_{count}"], row[f"other_{count}"]
            if base is not None and other is not None and base != other:
                found.append(
                    {"cell": row["cell"], "count": count, "base": int(base), "other": int(other)}
                )
    return found


def compared(comparison: pd.DataFrame) -> pd.DataFrame:
    """Keep the cells that both sides have.

    Args:
        comparison: A comparison.

    Returns:
        Its rows with ratios.
    """
    return comparison[comparison["reason"].isna()]


def not_compared(comparison: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """List the cells that are not compared, by reason and block.

    Args:
        comparison: A comparison.

    Returns:
        Reasons, each with a line for each block that it holds for; a block of which nothing is
        compared is named once.
    """
    here = {block_of(row) for row in records(compared(comparison))}
    groups: dict[str, dict[str, list[str]]] = {}
    for row in records(comparison[comparison["reason"].notna()]):
        cells = groups.setdefault(row["reason"], {}).setdefault(block_of(row), [])
        cells.append(cell_of(row))
    return [
        (reason, [_line(block, cells, whole=block not in here) for block, cells in blocks.items()])
        for reason, blocks in groups.items()
    ]


def _line(block: str, cells: list[str], *, whole: bool) -> str:
    if not block:
        return ", ".join(cells)
    if whole and len(cells) > 1:
        return f"{block}: {len(cells)} cells"
    return f"{block}: {', '.join(cells)}"


def format_time(row: Row, side: str) -> str:
    """Format a side's time with the digits that its interval leaves.

    Args:
        row: Row of a comparison.
        side: base or other.

    Returns:
        Such as ``38.2 µs``; empty where unknown.
    """
    half = text.half_width(row[f"{side}_s_low"], row[f"{side}_s_high"])
    return text.format_seconds(row[f"{side}_s"], text.digits(half))


def format_ratio(row: Row, figure: Figure) -> str:
    """Format a ratio with the digits that its interval leaves.

    Args:
        row: Row of a comparison.
        figure: Which of its ratios.

    Returns:
        Such as ``1.02``; empty where unknown.
    """
    if not known(row[figure.column]):
        return ""
    half = text.half_width(row[figure.low], row[figure.high])
    return text.ratio(row[figure.column], half).removesuffix("×")


def format_interval(row: Row, figure: Figure) -> str:
    """Format the interval that decides of a ratio.

    Args:
        row: Row of a comparison.
        figure: Which of its ratios.

    Returns:
        Such as ``0.98 – 1.04``; ``unknown`` where it says nothing; empty where there is none.
    """
    if row[figure.low] is None or row[figure.high] is None:
        return ""
    return text.ratio_interval(row[figure.low], row[figure.high])


def shared_traits(comparison: pd.DataFrame) -> list[str]:
    """List dtype and threads where every compared cell has the same.

    Args:
        comparison: A comparison.

    Returns:
        Such as ``float32``, ``2 threads``; they need not stand beside each block.
    """
    rows = records(compared(comparison))
    traits = [
        {None if row["dtype"] is None else str(row["dtype"]) for row in rows},
        {threads_text(row["threads"]) for row in rows},
    ]
    return [trait for found in traits if len(found) == 1 for trait in found if trait is not None]


def block_of(row: Row) -> str:
    """Name the block of a cell; empty for a benchmark that is no cell.

    Args:
        row: Row of a comparison.

    Returns:
        Such as ``mlp_small · sgd · float32 · 2 threads``.
    """
    return "" if row["model"] is None else str(row["cell"]).rpartition(" · ")[0]


def cell_of(row: Row) -> str:
    """Name a cell within its block.

    Args:
        row: Row of a comparison.

    Returns:
        Such as ``foreach/set_to_none``.
    """
    return str(row["cell"]) if row["model"] is None else str(row["cell"]).rpartition(" · ")[2]
