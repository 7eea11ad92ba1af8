"""The columns of a block's cells."""

from __future__ import annotations

from gradbench.results.column import FLAG, INT, REAL, TEXT, Column, interval
from gradbench.results.machine_columns import MACHINE
from gradbench.results.training_columns import TRAINING
from gradbench.results.verification_columns import VERIFICATION

IDENTITY = (
    Column("run", TEXT, "", "Name of the run."),
    Column("block", TEXT, "", "Name of the block, also the file's name."),
    Column("cell", TEXT, "", "Name of the cell within the block: `strategy/zeroing` or a control."),
)

HOST = Column(
    "host",
    TEXT,
    "",
    "Name of the machine: with run and block it tells machines apart that share both.",
    added=True,
)

CELLS = (
    *IDENTITY,
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
    Column("memory_bytes", INT, "bytes", "Memory that the device has.", added=True),
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
    Column(
        "options",
        TEXT,
        "",
        "What differs from the files of the options chosen and has no column of its own, as "
        "overrides in one order: `model.width=64 rule.lr=0.01`. Empty where nothing does.",
        added=True,
    ),
    Column("strategy", TEXT, "", "Name of the strategy; empty for the bandwidth control."),
    Column("zeroing", TEXT, "", "Name of the zeroing; empty for the bandwidth control."),
    Column("design", TEXT, "", "product, star, or null where nothing was measured."),
    Column("status", TEXT, "", "ok, approximate, wrong, skipped or failed."),
    Column("reason", TEXT, "", "Why the status is not ok; null where it is."),
    Column("parameters", INT, "", "Elements that an update writes."),
    Column("tensors", INT, "", "Tensors that an update writes."),
    Column(
        "untrained",
        INT,
        "",
        "Tensors that require a gradient and never got one: they are left out of everything.",
        added=True,
    ),
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
    *TRAINING,
    *interval("speedup", "", "Baseline's update time over this cell's, paired by round."),
    Column(
        "speedup_replicates",
        INT,
        "",
        "Replicates in the interval of `speedup`: those with a clean pair; null for the baseline.",
        added=True,
    ),
    *interval(
        "over_fastest",
        "",
        "This cell's update time over that of the block's fastest right cell with the default "
        "zeroing, paired by round; 1 for that cell, null where unknown.",
        added=True,
    ),
    Column(
        "noise_floor",
        REAL,
        "",
        "Largest departure from 1 that the interval of twin over baseline admits: a speedup "
        "closer to 1 than this is neither faster nor slower. The same for all cells of a block.",
    ),
    Column(
        "budget_s",
        REAL,
        "s",
        "Seconds of sampling that the block might use, isolated and training together.",
        added=True,
    ),
    Column("rounds", INT, "", "Rounds measured, over all replicates."),
    Column("replicates", INT, "", "Replicates measured, each with its tensors elsewhere."),
    Column("disturbed", INT, "", "Update samples marked disturbed, left out of the figures."),
    *MACHINE,
    Column("converged", FLAG, "", "The speedup's interval is within the precision asked for."),
    Column(
        "stopped_by",
        TEXT,
        "",
        "What ended the cell's sampling: precision, budget, or slower: it was certainly slower "
        "than the fastest by more than `measurement.margin`, and its time went to the others.",
    ),
    Column(
        "block_s",
        REAL,
        "s",
        "Time that the block took in its worker, from building to counting, by a clock on the "
        "wall.",
        added=True,
    ),
    *VERIFICATION,
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
    Column(
        "compile_s",
        REAL,
        "s",
        "Time torch.compile took in the cell's calls, less where its caches on disk knew the "
        "kernels; 0 where another cell of the strategy had paid, null where it compiles nothing.",
        added=True,
    ),
    Column(
        "graph_breaks",
        INT,
        "",
        "Graph breaks in one update of the strategy: between them it runs as it is written; null "
        "where it compiles nothing.",
        added=True,
    ),
    Column("traffic_bytes", INT, "bytes", "Memory traffic no implementation can avoid."),
    Column("bandwidth_bytes_per_s", REAL, "bytes/s", "`traffic_bytes` over `update_s`."),
    Column("ceiling_bytes_per_s", REAL, "bytes/s", "Bandwidth of the block's bandwidth control."),
    Column(
        "operations",
        INT,
        "",
        "Floating-point operations of an update, as its rule is written; null where it has so few "
        "per element that memory traffic decides.",
        added=True,
    ),
    Column("operations_per_s", REAL, "1/s", "`operations` over `update_s`.", added=True),
    Column(
        "ceiling_operations_per_s",
        REAL,
        "1/s",
        "Operations per second of batched matrix products, of the shape and in the dtype of most "
        "of `operations`, in the same rounds; null without `operations`.",
        added=True,
    ),
    Column(
        "roofline_fraction",
        REAL,
        "",
        "`bandwidth_bytes_per_s` over `ceiling_bytes_per_s` or, where it is larger, "
        "`operations_per_s` over `ceiling_operations_per_s`.",
    ),
    Column(
        "dispatch_s",
        REAL,
        "s",
        "Time of the same update on as many tensors of two elements each, or of few where the "
        "rule needs them in their shape; null where those would be compiled anew.",
        added=True,
    ),
    Column(
        "dispatch_fraction",
        REAL,
        "",
        "`dispatch_s` over `update_s`: what is left of the time without bytes and operations.",
        added=True,
    ),
    Column(
        "bottleneck",
        TEXT,
        "",
        "What the time goes into: dispatch (`dispatch_fraction` of 2/3 or more), mixed (more than "
        "1/3), bandwidth or compute (whichever ceiling is nearer, used by 1/3 or more) or overhead "
        "(neither: temporaries, further passes over memory, new pages, small kernels, neighbours); "
        "null where unknown. Without `dispatch_fraction` it is known where `roofline_fraction` is "
        "2/3 or more.",
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
