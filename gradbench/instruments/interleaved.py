"""gradbench's own way: interleaved rounds, ratios paired by round, fresh replicates."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from gradbench.instruments.subject import ARMS, BASELINE, Subject
from gradbench.timing.bandwidth import BandwidthControl
from gradbench.timing.isolated import Isolation, measure_isolated


def rounds(subject: Subject, seconds: float, seed: int) -> dict[str, float]:
    """Estimate speedups as a block does, zeroing and bandwidth control among its rounds.

    Args:
        subject: What to measure.
        seconds: Sampling of everything.
        seed: Seed of the order within rounds.

    Returns:
        The baseline's time over that of each arm.
    """
    settings = subject.block.options["measurement"]
    contenders = subject.contenders()
    allocated = sum(shape.numel() for shape in subject.shapes)
    dtype = subject.allocate().values[0].dtype
    isolation = Isolation(
        budget_s=seconds,
        precision=settings["precision"],
        sample_s=settings["sample_s"],
        replicates=settings["replicates"],
        min_replicates=settings["min_replicates"],
        min_rounds=settings["min_rounds"],
    )
    with _quiet_profiler():
        result = measure_isolated(
            subject.axes.device,
            subject.axes.rule,
            subject.allocate,
            list(contenders.values()),
            BandwidthControl.matching(subject.axes.rule, allocated, dtype),
            isolation,
            np.random.default_rng(seed),
            lambda _: None,
        )
    assert result.estimates is not None
    speedups = result.estimates.speedups
    return {arm: speedups[contenders[arm].cell.name].estimate for arm in ARMS if arm != BASELINE}


@contextmanager
def _quiet_profiler() -> Iterator[None]:
    """Keep what the profiler, which counts operators, says to itself off the screen."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
