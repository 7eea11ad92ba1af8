"""From what a worker saw to the rows of ``samples`` and ``gradients``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gradbench.block.measured import Measured
from gradbench.request.block import Block
from gradbench.statistics.sample import Sample

Row = dict[str, Any]


def right_cells(measured: Measured) -> set[str]:
    """Name the cells that have figures.

    Args:
        measured: What was seen.

    Returns:
        Those that are right and raised nothing.
    """
    return {outcome.cell.name for outcome in measured.outcomes if outcome.timed}


def sample_rows(block: Block, measured: Measured) -> list[Row]:
    """Write a row for each sample of the cells that have figures.

    Args:
        block: The block.
        measured: What was seen.

    Returns:
        Rows of ``samples``: of updates, those of cells that have figures.
    """
    rows = []
    ok = {outcome.cell.name for outcome in measured.outcomes if outcome.status == "ok"}
    isolated, training = measured.isolated, measured.training
    if isolated is not None and isolated.estimates is not None:
        disturbed = isolated.estimates.disturbed_samples
        pairs = zip(isolated.samples, disturbed, strict=True)
        rows += _samples(block, ((s, d) for s, d in pairs if s.cell in ok or s.phase == "zero"))
    if training is not None:
        rows += _samples(block, ((s, s.switched) for s in training.samples))
    right = right_cells(measured)
    return [row for row in rows if row["cell"] in right]


def _samples(block: Block, samples: Iterable[tuple[Sample, bool]]) -> list[Row]:
    return [
        {
            "run": block.run,
            "block": block.name,
            "host": block.host,
            "cell": sample.cell,
            "protocol": sample.protocol,
            "replicate": sample.replicate,
            "round": sample.round,
            "phase": sample.phase,
            "calls": sample.calls,
            "seconds": sample.seconds,
            "host_s": sample.host_s,
            "device_s": sample.device_s,
            "empty_call_s": sample.empty_call_s,
            "processor": sample.processor,
            "disturbed": disturbed,
        }
        for sample, disturbed in samples
    ]


def gradient_rows(block: Block, measured: Measured) -> list[Row]:
    """Write a row for each tensor at each training step of each cell that has figures.

    Args:
        block: The block.
        measured: What was seen.

    Returns:
        Rows of ``gradients``.
    """
    if measured.training is None:
        return []
    names = {"run": block.run, "block": block.name, "host": block.host}
    right = right_cells(measured)
    return [{**names, **row} for row in measured.training.gradients if row["cell"] in right]
