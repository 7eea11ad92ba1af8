"""Tables, their columns and units: what the parquet files hold."""

from __future__ import annotations

import pyarrow as pa

from gradbench.results.calibrations import (
    CALIBRATION_SAMPLES,
    CALIBRATIONS,
    PLANTED_WORKS,
    PROCESSOR,
)
from gradbench.results.cells import CELLS, HOST, IDENTITY
from gradbench.results.column import FLAG, INT, REAL, TEXT, Column
from gradbench.results.observations import OBSERVATIONS

VERSION = "1"
"""Version of the layout.

1: tables cells, samples, gradients, observations, runs, calibrations, calibration_samples and
planted_work.
"""

CELL = "cells"
SAMPLE = "samples"
GRADIENT = "gradients"
OBSERVATION = "observations"
RUN = "runs"
CALIBRATION = "calibrations"
CALIBRATION_SAMPLE = "calibration_samples"
PLANTED_WORK = "planted_work"


_SAMPLES = (
    *IDENTITY,
    Column("protocol", TEXT, "", "isolated or training."),
    Column("replicate", INT, "", "Number of the replicate (isolated) or pass (training)."),
    Column("round", INT, "", "Number of the round in the replicate, or of the training step."),
    Column("phase", TEXT, "", "update, zero; in training also forward, backward, step."),
    Column("calls", INT, "", "Back-to-back calls in the sample."),
    Column(
        "seconds",
        REAL,
        "s",
        "Wall time per call, until the work was done, less `empty_call_s`; 1 ns at least.",
    ),
    Column(
        "host_s",
        REAL,
        "s",
        "Time per call until the calls had returned, less that of empty calls; 1 ns at least.",
    ),
    Column(
        "device_s",
        REAL,
        "s",
        "Time per call between CUDA events, of which nothing is taken off; null on CPU.",
    ),
    Column(
        "empty_call_s",
        REAL,
        "s",
        "What as many calls that do nothing took by the same clock in the same replicate, median, "
        "per call; taken off `seconds`. Null in files that took nothing off.",
        added=True,
    ),
    PROCESSOR,
    Column("disturbed", FLAG, "", "Switched out meanwhile, or in a round of little bandwidth."),
    HOST,
)

_GRADIENTS = (
    *IDENTITY,
    Column("step", INT, "", "Training step, from 0."),
    Column("tensor", TEXT, "", "Name of the parameter in the module."),
    Column("present", FLAG, "", "Whether `.grad` is there after backward; if not, it is None."),
    Column("elements", INT, "", "Number of elements."),
    Column("norm", REAL, "", "Euclidean norm."),
    Column("mean", REAL, "", "Mean."),
    Column("std", REAL, "", "Standard deviation, the population's."),
    Column("min", REAL, "", "Smallest element."),
    Column("max", REAL, "", "Largest element."),
    Column("zero_fraction", REAL, "", "Share of elements that are exactly zero."),
    Column("nan_count", INT, "", "Number of NaN."),
    Column("inf_count", INT, "", "Number of infinities."),
    Column("relative_error", REAL, "", "Norm of the difference to the float64 run over its norm."),
    Column("cosine", REAL, "", "Cosine of the angle to the float64 run's gradient."),
    HOST,
)

_RUNS = (
    Column("run", TEXT, "", "Name of the run."),
    Column("host", TEXT, "", "Name of the machine."),
    Column("started_at", TEXT, "", "When the command began, ISO 8601, UTC."),
    Column("ended_at", TEXT, "", "When it ended; null while it runs or if it was killed."),
    Column("state", TEXT, "", "running, done, failed or interrupted."),
    Column("command", TEXT, "", "The overrides given on the command line."),
    Column("blocks", INT, "", "Blocks asked for."),
    Column("blocks_measured", INT, "", "Blocks measured by this command."),
    Column("blocks_kept", INT, "", "Blocks already there and kept."),
    Column("experiments", INT, "", "Experiments asked for, once per device."),
    Column("experiments_run", INT, "", "Experiments run by this command."),
    Column("experiments_kept", INT, "", "Experiments already there and kept."),
    Column("wall_s", REAL, "s", "Duration of the command."),
    Column("sampling_s", REAL, "s", "Time inside timed and warm-up calls, first calls included."),
    Column("sampling_fraction", REAL, "", "`sampling_s` over `wall_s`."),
    Column("compile_s", REAL, "s", "Time torch.compile took: the sum of `cells.compile_s`."),
    Column(
        "verify_s",
        REAL,
        "s",
        "Time of verification; without compiling what is timed too.",
        added=True,
    ),
    Column("verify_fraction", REAL, "", "`verify_s` over `wall_s`.", added=True),
    Column("python_version", TEXT, "", "Version of Python."),
    Column("torch_version", TEXT, "", "Version of PyTorch; null if everything was kept."),
    Column("gradbench_version", TEXT, "", "Version of gradbench."),
    Column("platform", TEXT, "", "Operating system and machine."),
    Column("cpu_count", INT, "", "Processors the command could use."),
    Column("git_revision", TEXT, "", "Revision of the checkout it ran from; null outside of one."),
    Column("configuration", TEXT, "", "Resolved configuration of each block and experiment, JSON."),
)

TABLES: dict[str, tuple[Column, ...]] = {
    CELL: CELLS,
    SAMPLE: _SAMPLES,
    GRADIENT: _GRADIENTS,
    OBSERVATION: OBSERVATIONS,
    RUN: _RUNS,
    CALIBRATION: CALIBRATIONS,
    CALIBRATION_SAMPLE: CALIBRATION_SAMPLES,
    PLANTED_WORK: PLANTED_WORKS,
}


def arrow_schema(table: str) -> pa.Schema:
    """Build a table's Arrow schema.

    Args:
        table: Name of the table.

    Returns:
        The schema; units and descriptions are field metadata, the version schema metadata.
    """
    fields = [
        pa.field(c.name, c.type, metadata={"unit": c.unit, "description": c.description})
        for c in TABLES[table]
    ]
    return pa.schema(fields, metadata={"gradbench.schema": VERSION, "gradbench.table": table})
