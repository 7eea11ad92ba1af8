"""Tables, their columns and units: what the parquet files hold."""

from __future__ import annotations

import pyarrow as pa

from gradbench.results.calibrations import CALIBRATION_SAMPLES, CALIBRATIONS, PLANTED_WORKS
from gradbench.results.column import FLAG, INT, REAL, TEXT, Column, interval
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


_IDENTITY = (
    Column("run", TEXT, "", "Name of the run."),
    Column("block", TEXT, "", "Name of the block, also the file's name."),
    Column("cell", TEXT, "", "Name of the cell within the block: `strategy/zeroing` or a control."),
)

_HOST = Column(
    "host",
    TEXT,
    "",
    "Name of the machine: with run and block it tells machines apart that share both.",
    added=True,
)

_CELLS = (
    *_IDENTITY,
    Column("role", TEXT, "", "candidate, baseline, twin (the baseline again) or bandwidth."),
    Column("model", TEXT, "", "Name of the model."),
    Column("device", TEXT, "", "Name of the device option: cpu or cuda."),
    Column("device_name", TEXT, "", "Name of the hardware; null where there is none."),
    Column(
        "driver",
        TEXT,
        "",
        "Version of the hardware's driver; null if unknown.",
        added=True,
    ),
    Column("clock_hz", REAL, "Hz", "Highest clock of the hardware; null if unknown.", added=True),
    Column("dtype", TEXT, "", "Floating type of parameters, gradients and state."),
    Column("threads", INT, "", "Threads of CPU operators."),
    Column("seed", INT, "", "Seed of weights, batch, gradients and order."),
    Column(
        "cache",
        TEXT,
        "",
        "What the isolated calls found in the caches: hot, what the last call left, or cold, "
        "nothing of theirs (`measurement.cache`).",
        added=True,
        before="hot",
    ),
    Column("rule", TEXT, "", "Name of the rule."),
    Column("strategy", TEXT, "", "Name of the strategy; empty for the bandwidth control."),
    Column("zeroing", TEXT, "", "Name of the zeroing; empty for the bandwidth control."),
    Column("design", TEXT, "", "product, star, or null where nothing was measured."),
    Column("status", TEXT, "", "ok, wrong, skipped or failed."),
    Column("reason", TEXT, "", "Why the status is not ok; null where it is."),
    Column("parameters", INT, "", "Elements that an update writes."),
    Column("tensors", INT, "", "Tensors that an update writes."),
    *interval(
        "update_s",
        "s",
        "Time of one update, isolated: median of clean samples, less that of "
        "an empty call (`samples.empty_call_s`).",
    ),
    Column(
        "update_replicates",
        INT,
        "",
        "Replicates in the interval of `update_s`: those with a clean sample.",
        added=True,
    ),
    Column("update_host_s", REAL, "s", "Time until the update's calls have returned."),
    Column("update_device_s", REAL, "s", "Time of the update between CUDA events; null on CPU."),
    *interval(
        "zero_s",
        "s",
        "Time of one zeroing, isolated, measured once per zeroing, less that "
        "of an empty call (`samples.empty_call_s`).",
    ),
    Column("forward_s", REAL, "s", "Time of the forward pass in a training step, median."),
    Column("backward_s", REAL, "s", "Time of the backward pass in a training step, median."),
    Column("training_update_s", REAL, "s", "Time of the update in a training step, median."),
    Column("training_zero_s", REAL, "s", "Time of the zeroing in a training step, median."),
    Column("step_s", REAL, "s", "Time of a training step, its four phases together, median."),
    *interval("speedup", "", "Baseline's update time over this cell's, paired by round."),
    Column(
        "speedup_replicates",
        INT,
        "",
        "Replicates in the interval of `speedup`: those with a clean pair; null for the baseline.",
        added=True,
    ),
    Column(
        "noise_floor",
        REAL,
        "",
        "Largest departure from 1 that the interval of twin over baseline admits: a speedup "
        "closer to 1 than this is not a difference. The same for all cells of a block.",
    ),
    Column("rounds", INT, "", "Rounds measured, over all replicates."),
    Column("replicates", INT, "", "Replicates measured, each on fresh allocations."),
    Column("disturbed", INT, "", "Update samples marked disturbed, left out of the figures."),
    Column(
        "contended",
        FLAG,
        "",
        "Fewer than half of the block's samples were clean, or none of a cell, so that its "
        "figures use all of them.",
    ),
    Column(
        "contention",
        TEXT,
        "",
        "Why the block was measured on a busy machine, in words; null where it was quiet.",
        added=True,
    ),
    Column(
        "elsewhere_processors",
        REAL,
        "",
        "Processors that other processes kept busy during the block, of those it may use.",
        added=True,
    ),
    Column(
        "steal_fraction",
        REAL,
        "",
        "Share of the processors' time that a hypervisor took during the block.",
        added=True,
    ),
    Column(
        "waiting_fraction",
        REAL,
        "",
        "Share of their time that the block's threads could have run and waited for a processor; "
        "null where the system does not tell.",
        added=True,
    ),
    Column(
        "switches_per_s",
        REAL,
        "1/s",
        "Involuntary context switches of the block's process per second.",
        added=True,
    ),
    Column(
        "slow_fraction",
        REAL,
        "",
        "Share of rounds whose bandwidth control took 1.25 times its first decile or more.",
        added=True,
    ),
    Column(
        "gpu_clock_low_hz",
        REAL,
        "Hz",
        "Lowest clock of the GPU after a replicate; null if unknown.",
        added=True,
    ),
    Column(
        "gpu_clock_high_hz",
        REAL,
        "Hz",
        "Highest clock of the GPU after a replicate; null if unknown.",
        added=True,
    ),
    Column(
        "exclusive",
        FLAG,
        "",
        "The block had its device to itself: as it began and ended, no other process was on the "
        "GPU, and on a cluster no other job on the CPU's node; null where nobody could tell.",
        added=True,
    ),
    Column("shared_with", TEXT, "", "What else was on the device then.", added=True),
    Column("converged", FLAG, "", "The speedup's interval is within the precision asked for."),
    Column("stopped_by", TEXT, "", "What ended the block's sampling: precision or budget."),
    Column("max_ulp_error", REAL, "ulp", "Largest error of the verified updates."),
    Column("tolerance_ulps", REAL, "ulp", "Largest error that a right strategy may have."),
    Column("verified_elements", INT, "", "Elements verified, fewer than `parameters` if cut."),
    Column(
        "launches", INT, "", "Operators dispatched (CPU) or kernels launched (CUDA) per update."
    ),
    Column("peak_extra_bytes", INT, "bytes", "Peak memory an update allocates beyond its own."),
    Column(
        "instructions",
        INT,
        "",
        "Instructions per update, in one thread, counted by callgrind; null unless "
        "`measurement.callgrind` asks for it, and for what compiles.",
        added=True,
    ),
    Column("traffic_bytes", INT, "bytes", "Memory traffic no implementation can avoid."),
    Column("bandwidth_bytes_per_s", REAL, "bytes/s", "`traffic_bytes` over `update_s`."),
    Column("ceiling_bytes_per_s", REAL, "bytes/s", "Bandwidth of the block's bandwidth control."),
    Column("roofline_fraction", REAL, "", "`bandwidth_bytes_per_s` over `ceiling_bytes_per_s`."),
    Column(
        "dispatch_s",
        REAL,
        "s",
        "Time of the same update on as many tensors of two elements each.",
        added=True,
    ),
    Column(
        "dispatch_fraction",
        REAL,
        "",
        "`dispatch_s` over `update_s`: what is left of the time without the bytes.",
        added=True,
    ),
    Column(
        "bottleneck",
        TEXT,
        "",
        "What the time goes into: dispatch (`dispatch_fraction` of 2/3 or more), bandwidth (1/3 or "
        "less; `roofline_fraction` says how well it is used) or mixed; null where unknown.",
        added=True,
    ),
    Column(
        "step_peak_extra_bytes",
        INT,
        "bytes",
        "Peak memory of a training step, forward to zeroing, beyond parameters and state, with the "
        "gradients that lie there from the step before; counted with the baseline's strategy.",
        added=True,
    ),
    Column("torch_version", TEXT, "", "Version of PyTorch."),
    Column("gradbench_version", TEXT, "", "Version of gradbench."),
    Column("host", TEXT, "", "Name of the machine."),
    Column("recorded_at", TEXT, "", "When the block ended, ISO 8601, UTC."),
)

_SAMPLES = (
    *_IDENTITY,
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
    Column("disturbed", FLAG, "", "Switched out meanwhile, or in a round of little bandwidth."),
    _HOST,
)

_GRADIENTS = (
    *_IDENTITY,
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
    _HOST,
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
    Column("compile_s", REAL, "s", "Part of `sampling_s` in which first calls set up and compile."),
    Column("python_version", TEXT, "", "Version of Python."),
    Column("torch_version", TEXT, "", "Version of PyTorch; null if everything was kept."),
    Column("gradbench_version", TEXT, "", "Version of gradbench."),
    Column("platform", TEXT, "", "Operating system and machine."),
    Column("cpu_count", INT, "", "Processors the command could use."),
    Column("git_revision", TEXT, "", "Revision of the checkout it ran from; null outside of one."),
    Column("configuration", TEXT, "", "Resolved configuration of each block and experiment, JSON."),
)

TABLES: dict[str, tuple[Column, ...]] = {
    CELL: _CELLS,
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
