"""The columns of ``cells`` that say what training steps take, their peak memory aside."""

from __future__ import annotations

from gradbench.results.column import INT, REAL, Column, interval

TRAINING = (
    Column(
        "forward_s",
        REAL,
        "s",
        "Time of the forward pass in training steps whose phases are timed one by one, median of "
        "clean samples.",
    ),
    Column("backward_s", REAL, "s", "Time of the backward pass in such steps, median."),
    Column("training_update_s", REAL, "s", "Time of the update in such steps, median."),
    Column("training_zero_s", REAL, "s", "Time of the zeroing in such steps, median."),
    Column(
        "step_s",
        REAL,
        "s",
        "Time of a training step from forward to zeroing, timed whole; null for fewer than six "
        "clean ones. In files without `step_samples` the median sum of its phases.",
    ),
    *interval("step_s", "s", "", added=True)[1:],
    *interval(
        "step_speedup",
        "",
        "Baseline's whole step over this cell's, paired by pass and step.",
        added=True,
    ),
    Column(
        "step_noise_floor",
        REAL,
        "",
        "Largest departure from 1 that the interval of the twin's step over the baseline's admits. "
        "The same for all cells of a block; null where either has no figure.",
        added=True,
    ),
    Column(
        "step_samples",
        INT,
        "",
        "Whole training steps of the cell that were timed and clean.",
        added=True,
    ),
)
