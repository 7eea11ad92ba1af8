"""Tables, their columns and units: what the parquet files hold."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

VERSION = "1"
"""Version of the layout.

1: tables cells, samples, gradients, runs.
"""

CELL = "cells"
SAMPLE = "samples"
GRADIENT = "gradients"
RUN = "runs"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: Name, with the unit as suffix where there is one.
        type: Arrow type.
        unit: Unit, or empty.
        description: What it means, in a sentence.
    """

    name: str
    type: pa.DataType
    unit: str
    description: str


_TEXT, _INT, _REAL, _FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()


def _interval(name: str, unit: str, description: str) -> tuple[Column, Column, Column]:
    """Return a figure's column and those of its 95 % interval."""
    return (
        Column(name, _REAL, unit, description),
        Column(f"{name}_low", _REAL, unit, f"Lower end of the 95 % interval of `{name}`."),
        Column(f"{name}_high", _REAL, unit, f"Upper end of the 95 % interval of `{name}`."),
    )


_IDENTITY = (
    Column("run", _TEXT, "", "Name of the run."),
    Column("block", _TEXT, "", "Name of the block, also the file's name."),
    Column(
        "cell", _TEXT, "", "Name of the cell within the block: `strategy/zeroing` or a control."
    ),
)

_CELLS = (
    *_IDENTITY,
    Column("role", _TEXT, "", "candidate, baseline, twin (the baseline again) or bandwidth."),
    Column("model", _TEXT, "", "Name of the model."),
    Column("device", _TEXT, "", "Name of the device option: cpu or cuda."),
    Column("device_name", _TEXT, "", "Name of the hardware; null where there is none."),
    Column("dtype", _TEXT, "", "Floating type of parameters, gradients and state."),
    Column("threads", _INT, "", "Threads of CPU operators."),
    Column("seed", _INT, "", "Seed of weights, batch, gradients and order."),
    Column("rule", _TEXT, "", "Name of the rule."),
    Column("strategy", _TEXT, "", "Name of the strategy; empty for the bandwidth control."),
    Column("zeroing", _TEXT, "", "Name of the zeroing; empty for the bandwidth control."),
    Column("design", _TEXT, "", "product, star, or null where nothing was measured."),
    Column("status", _TEXT, "", "ok, wrong, skipped or failed."),
    Column("reason", _TEXT, "", "Why the status is not ok; null where it is."),
    Column("parameters", _INT, "", "Elements that an update writes."),
    Column("tensors", _INT, "", "Tensors that an update writes."),
    *_interval("update_s", "s", "Time of one update, isolated: median of clean samples."),
    Column("update_host_s", _REAL, "s", "Time until the update's calls have returned."),
    Column("update_device_s", _REAL, "s", "Time of the update between CUDA events; null on CPU."),
    *_interval("zero_s", "s", "Time of one zeroing, isolated, measured once per zeroing."),
    Column("forward_s", _REAL, "s", "Time of the forward pass in a training step, median."),
    Column("backward_s", _REAL, "s", "Time of the backward pass in a training step, median."),
    Column("training_update_s", _REAL, "s", "Time of the update in a training step, median."),
    Column("training_zero_s", _REAL, "s", "Time of the zeroing in a training step, median."),
    Column("step_s", _REAL, "s", "Time of a training step, its four phases together, median."),
    *_interval("speedup", "", "Baseline's update time over this cell's, paired by round."),
    Column(
        "noise_floor",
        _REAL,
        "",
        "Largest departure from 1 that the interval of twin over baseline admits: a speedup "
        "closer to 1 than this is not a difference. The same for all cells of a block.",
    ),
    Column("rounds", _INT, "", "Rounds measured, over all replicates."),
    Column("replicates", _INT, "", "Replicates measured, each on fresh allocations."),
    Column("disturbed", _INT, "", "Update samples marked disturbed, left out of the figures."),
    Column(
        "contended",
        _FLAG,
        "",
        "Fewer than half of the block's samples were clean, so its figures use all of them.",
    ),
    Column("converged", _FLAG, "", "The speedup's interval is within the precision asked for."),
    Column("stopped_by", _TEXT, "", "What ended the block's sampling: precision or budget."),
    Column("max_ulp_error", _REAL, "ulp", "Largest error of the verified updates."),
    Column("tolerance_ulps", _REAL, "ulp", "Largest error that a right strategy may have."),
    Column("verified_elements", _INT, "", "Elements verified, fewer than `parameters` if cut."),
    Column(
        "launches", _INT, "", "Operators dispatched (CPU) or kernels launched (CUDA) per update."
    ),
    Column("peak_extra_bytes", _INT, "bytes", "Peak memory an update allocates beyond its own."),
    Column("traffic_bytes", _INT, "bytes", "Memory traffic no implementation can avoid."),
    Column("bandwidth_bytes_per_s", _REAL, "bytes/s", "`traffic_bytes` over `update_s`."),
    Column("ceiling_bytes_per_s", _REAL, "bytes/s", "Bandwidth of the block's bandwidth control."),
    Column("roofline_fraction", _REAL, "", "`bandwidth_bytes_per_s` over `ceiling_bytes_per_s`."),
    Column("torch_version", _TEXT, "", "Version of PyTorch."),
    Column("gradbench_version", _TEXT, "", "Version of gradbench."),
    Column("host", _TEXT, "", "Name of the machine."),
    Column("recorded_at", _TEXT, "", "When the block ended, ISO 8601, UTC."),
)

_SAMPLES = (
    *_IDENTITY,
    Column("protocol", _TEXT, "", "isolated or training."),
    Column("replicate", _INT, "", "Number of the replicate (isolated) or pass (training)."),
    Column("round", _INT, "", "Number of the round in the replicate, or of the training step."),
    Column("phase", _TEXT, "", "update, zero; in training also forward, backward, step."),
    Column("calls", _INT, "", "Back-to-back calls in the sample."),
    Column("seconds", _REAL, "s", "Wall time per call, until the work was done."),
    Column("host_s", _REAL, "s", "Time per call until the calls had returned."),
    Column("device_s", _REAL, "s", "Time per call between CUDA events; null on CPU."),
    Column("disturbed", _FLAG, "", "Switched out meanwhile, or in a round of little bandwidth."),
)

_GRADIENTS = (
    *_IDENTITY,
    Column("step", _INT, "", "Training step, from 0."),
    Column("tensor", _TEXT, "", "Name of the parameter in the module."),
    Column("present", _FLAG, "", "Whether `.grad` is there after backward; if not, it is None."),
    Column("elements", _INT, "", "Number of elements."),
    Column("norm", _REAL, "", "Euclidean norm."),
    Column("mean", _REAL, "", "Mean."),
    Column("std", _REAL, "", "Standard deviation, the population's."),
    Column("min", _REAL, "", "Smallest element."),
    Column("max", _REAL, "", "Largest element."),
    Column("zero_fraction", _REAL, "", "Share of elements that are exactly zero."),
    Column("nan_count", _INT, "", "Number of NaN."),
    Column("inf_count", _INT, "", "Number of infinities."),
    Column("relative_error", _REAL, "", "Norm of the difference to the float64 run over its norm."),
    Column("cosine", _REAL, "", "Cosine of the angle to the float64 run's gradient."),
)

_RUNS = (
    Column("run", _TEXT, "", "Name of the run."),
    Column("host", _TEXT, "", "Name of the machine."),
    Column("started_at", _TEXT, "", "When the command began, ISO 8601, UTC."),
    Column("ended_at", _TEXT, "", "When it ended; null while it runs or if it was killed."),
    Column("state", _TEXT, "", "running, done, failed or interrupted."),
    Column("command", _TEXT, "", "The overrides given on the command line."),
    Column("blocks", _INT, "", "Blocks asked for."),
    Column("blocks_measured", _INT, "", "Blocks measured by this command."),
    Column("blocks_kept", _INT, "", "Blocks already there and kept."),
    Column("wall_s", _REAL, "s", "Duration of the command."),
    Column("sampling_s", _REAL, "s", "Time inside timed and warm-up calls, first calls included."),
    Column("sampling_fraction", _REAL, "", "`sampling_s` over `wall_s`."),
    Column(
        "compile_s", _REAL, "s", "Part of `sampling_s` in which first calls set up and compile."
    ),
    Column("python_version", _TEXT, "", "Version of Python."),
    Column("torch_version", _TEXT, "", "Version of PyTorch; null if no block was measured."),
    Column("gradbench_version", _TEXT, "", "Version of gradbench."),
    Column("platform", _TEXT, "", "Operating system and machine."),
    Column("cpu_count", _INT, "", "Processors the command could use."),
    Column("git_revision", _TEXT, "", "Revision of the checkout it ran from; null outside of one."),
    Column("configuration", _TEXT, "", "Resolved configuration of each block, JSON."),
)

TABLES: dict[str, tuple[Column, ...]] = {
    CELL: _CELLS,
    SAMPLE: _SAMPLES,
    GRADIENT: _GRADIENTS,
    RUN: _RUNS,
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


def column_dictionary() -> str:
    """Write the column dictionary in Markdown.

    Returns:
        A section with a table of columns for each table.
    """
    sections = []
    for table, columns in TABLES.items():
        rows = [f"| `{c.name}` | {c.type} | {c.unit} | {c.description} |" for c in columns]
        head = f"## `{table}`\n\n| column | type | unit | meaning |\n|---|---|---|---|"
        sections.append("\n".join([head, *rows]))
    return "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    print(column_dictionary(), end="")
