"""What a row of ``cells`` says before anything is measured."""

from __future__ import annotations

from typing import Any

from gradbench.request.block import Block, Cell
from gradbench.results.store import now
from gradbench.version import __version__


def identity(block: Block, cell: Cell) -> dict[str, Any]:
    """Name a cell by what is known before anything is measured.

    Args:
        block: The cell's block.
        cell: The cell.

    Returns:
        The identifying columns of ``cells``.
    """
    return {
        "run": block.run,
        "block": block.name,
        "cell": cell.name,
        "role": cell.role,
        "model": block.model,
        "device": block.device,
        "dtype": block.dtype,
        "threads": block.threads,
        "seed": block.seed,
        "cache": block.options["measurement"]["cache"],
        "budget_s": block.options["measurement"]["budget_s"],
        "rule": block.rule,
        "options": block.changed,
        "strategy": cell.strategy,
        "zeroing": cell.zeroing,
        "host": block.host,
        "gradbench_version": __version__,
        "recorded_at": now(),
    }
