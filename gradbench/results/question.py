"""Which blocks ask the same question: they differ in the run alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradbench.request.versions import without_versions

if TYPE_CHECKING:
    import pandas as pd

WHAT = ("model", "rule", "options", "dtype", "threads", "cache")
"""Columns that say what is measured."""

WHERE = (
    *("device", "device_name", "driver", "clock_hz", "host"),
    *("torch_version", "gradbench_version"),
)
"""Columns that say on what it is measured."""

BLOCK = ("run", "host", "block")
"""Columns that name a block."""


def questions(cells: pd.DataFrame) -> pd.Series[int]:
    """Number the questions that blocks ask.

    Blocks of one question agree in ``WHAT`` and ``WHERE``, in the size of the model, and in the
    baseline that speedups refer to. Seed, budget and replicates, and which strategies and
    zeroings are asked for, make no other question. A block older than the column ``options`` is
    of one question only with those that were asked for in the same words.

    Args:
        cells: Rows of ``cells``.

    Returns:
        The number of each row's question, the same for all rows of a block.
    """
    keys = cells.reindex(columns=[*WHAT, *WHERE, "parameters", "tensors"])
    asked = cells["block"].astype("string").map(without_versions, na_action="ignore")
    keys["options"] = keys["options"].astype("string").fillna("? " + asked)
    keys["cache"] = keys["cache"].astype("string").fillna("hot")
    keys["baseline"] = cells["cell"].where(cells["role"] == "baseline")
    blocks = cells[list(BLOCK)].astype("string").fillna("")
    # Rows of a block that were skipped lack what the others say.
    named = blocks.agg("\n".join, axis=1)
    said = keys.groupby(named, sort=False).transform("first")
    texts = said.astype("string").fillna("")
    return texts.groupby(list(texts.columns), sort=False).ngroup()


def blocks_in_order(cells: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Go through blocks in one constant order: by what is measured, then on what.

    Args:
        cells: Rows of ``cells``.

    Returns:
        The rows of each block; 1 thread before 2, ``width=64`` before ``width=1024``.
    """
    order = [name for name in (*WHAT, *WHERE, "recorded_at") if name in cells]
    blocks = [block for _, block in cells.groupby(list(BLOCK), sort=True, dropna=False)]
    yield from sorted(blocks, key=lambda block: _place(block, order))


def _place(block: pd.DataFrame, order: list[str]) -> list[tuple[Any, ...]]:
    found = []
    for name in order:
        values = block[name].dropna()
        found.append(_natural(str(values.iloc[0]) if len(values) else ""))
    return found


def _natural(text: str) -> tuple[tuple[float, str], ...]:
    """Order numbers within a text as numbers."""
    parts = re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?|\D+", text)
    return tuple((float(p), "") if p[0].isdigit() else (-1.0, p) for p in parts)
