"""The columns of what ``python -m gradbench calibrate`` stores."""

from __future__ import annotations

from gradbench.results.column import FLAG, INT, REAL, TEXT, Column

_RUN = Column("run", TEXT, "", "Name of the run.")
_HOST = Column("host", TEXT, "", "Name of the machine.")
_DEVICE = Column("device", TEXT, "", "Name of the device option: cpu or cuda.")
_DEVICE_NAME = Column("device_name", TEXT, "", "Name of the hardware.")
_HOGS = Column("hogs", INT, "", "Busy processes beside the measurement, on the host's processors.")
_TORCH = Column("torch_version", TEXT, "", "Version of PyTorch.")
_RECORDED = Column("recorded_at", TEXT, "", "When it was written, ISO 8601, UTC.")
PROCESSOR = Column(
    "processor",
    INT,
    "",
    "Number of the CPU's processor on which the replicate began; null if unknown.",
    added=True,
)


def _binomial(name: str, description: str) -> tuple[Column, ...]:
    """Return a share's column and those of its exact 95 % interval."""
    note = "95 % interval (Clopper and Pearson), cells taken as independent."
    return (
        Column(name, REAL, "", description),
        Column(f"{name}_low", REAL, "", f"Lower end of the {note}"),
        Column(f"{name}_high", REAL, "", f"Upper end of the {note}"),
    )


CALIBRATIONS = (
    _RUN,
    _HOST,
    _DEVICE,
    _DEVICE_NAME,
    Column("model", TEXT, "", "Name of the model."),
    Column("rule", TEXT, "", "Name of the rule."),
    Column("dtype", TEXT, "", "Floating type of parameters, gradients and state."),
    Column("threads", INT, "", "Threads of CPU operators that were asked for; null: PyTorch's."),
    _HOGS,
    Column("seconds", REAL, "s", "Sampling that one re-run may use."),
    Column("runs", INT, "", "Re-runs, each in a fresh process."),
    Column("replicates", REAL, "", "Replicates that an estimate uses, mean over the re-runs."),
    Column("estimator", TEXT, "", "What a replicate's rounds say of a ratio."),
    Column("interval", TEXT, "", "How the 95 % interval is made of that."),
    Column("stopping", TEXT, "", "When sampling ends: the budget, or a precision before it."),
    Column(
        "stated",
        FLAG,
        "",
        "This is the method of gradbench's own figures; older files have others beside it.",
    ),
    *_binomial("coverage", "Share of intervals that hold the median of the re-runs' estimates."),
    Column("intervals", INT, "", "Intervals judged: cells times re-runs."),
    *_binomial("false_alarms", "Share of intervals of identical cells that leave out 1."),
    Column(
        "false_alarms_beyond_noise",
        REAL,
        "",
        "Share of intervals of identical cells that lie wholly beyond the block's noise floor.",
    ),
    Column("identical", INT, "", "Intervals of identical cells judged: cells times re-runs."),
    Column(
        "detectable_difference",
        REAL,
        "",
        "Smallest planted difference that is found in four of five re-runs or more, as are all "
        "larger ones; null where none is.",
    ),
    Column(
        "detectable_beyond_noise",
        REAL,
        "",
        "The same where a find must lie beyond the block's noise floor.",
    ),
    Column("half_width", REAL, "", "Relative half-width of an interval, median."),
    Column("spread", REAL, "", "Standard deviation of the log ratio over re-runs, median."),
    Column("bias", REAL, "", "Mean log ratio of identical cells; right is 0."),
    Column("contended", REAL, "", "Share of re-runs that saw a busy machine."),
    _TORCH,
    Column("gradbench_version", TEXT, "", "Version of gradbench."),
    _RECORDED,
)

CALIBRATION_SAMPLES = (
    _RUN,
    _HOGS,
    Column("rerun", INT, "", "Number of the re-run."),
    Column("cell", TEXT, "", "Name of the cell within the block."),
    Column("replicate", INT, "", "Number of the replicate."),
    Column("round", INT, "", "Number of the round in the replicate."),
    Column("calls", INT, "", "Back-to-back calls in the sample."),
    Column("seconds", REAL, "s", "Wall time of an update, until the work was done."),
    Column("switched", FLAG, "", "The process was switched out meanwhile."),
    PROCESSOR,
    Column(
        "contention",
        TEXT,
        "",
        "Why the machine was busy during the re-run, in words; null where it was quiet.",
        added=True,
    ),
)

PLANTED_WORKS = (
    _RUN,
    _HOST,
    _DEVICE,
    _DEVICE_NAME,
    Column("strategy", TEXT, "", "Name of the strategy that was made slower."),
    Column("fraction", REAL, "", "Share of the tensors that it updates twice, as asked for."),
    Column("difference", REAL, "", "Time of the planted work alone over the baseline's alone."),
    _TORCH,
    _RECORDED,
)
