"""The columns of a block's cells."""

from __future__ import annotations

from gradbench.results.column import FLAG, INT, REAL, TEXT, Column, interval

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
    Column(
        "max_ulp_error",
        REAL,
        "ulp",
        "Error of the verified element that came closest to its tolerance, or was farthest beyond.",
    ),
    Column("tolerance_ulps", REAL, "ulp", "Largest error that a right strategy may have there."),
    Column(
        "power",
        REAL,
        "",
        "How far from right the nearest mutant of the rule is, in tolerances, with verification's "
        "own hyperparameters: above 4 it would have been called wrong.",
        added=True,
    ),
    Column("nearest_mutant", TEXT, "", "Which mutant that is.", added=True),
    Column(
        "indistinguishable",
        TEXT,
        "",
        "Mutants less than 4 tolerances from right at the block's own hyperparameters, separated "
        "by `; `: in this dtype such a mistake is below the resolution. Empty where there is none.",
        added=True,
    ),
    Column(
        "refuses",
        TEXT,
        "",
        "Situations of real training in which the strategy raises instead of updating, each with "
        "what it says, separated by `; `.",
        added=True,
    ),
    Column(
        "wrong_with",
        TEXT,
        "",
        "Gradients assigned by hand, as autograd does not bring them, with which the strategy is "
        "wrong in silence, separated by `; `.",
        added=True,
    ),
    Column(
        "float32_count",
        FLAG,
        "",
        "Whether the values are those of a step count in float32, found out by verification.",
        added=True,
    ),
    Column(
        "lost_fraction",
        REAL,
        "",
        "Share of the model's elements that a right first update leaves as they are, because it is "
        "below the resolution of the dtype.",
        added=True,
    ),
    Column(
        "update_error",
        REAL,
        "",
        "Of an approximate strategy, the relative error of what its updates add up to, "
        "‖Δ − Δ*‖ / ‖Δ*‖ with Δ* in float64; null for others.",
        added=True,
    ),
    Column(
        "update_error_bound", REAL, "", "What the strategy states that it is at most.", added=True
    ),
    Column(
        "update_bias",
        REAL,
        "",
        "Of an approximate strategy, how much too far its updates go on average, as a share of how "
        "far they should: negative where they fall short.",
        added=True,
    ),
    Column("update_bias_error", REAL, "", "Standard error of `update_bias`.", added=True),
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
        "rule needs them in their shape.",
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
        "What the time goes into: dispatch (`dispatch_fraction` of 2/3 or more), bandwidth or "
        "compute (1/3 or less; `roofline_fraction` says of which, and how well it is used) or "
        "mixed; null where unknown.",
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
