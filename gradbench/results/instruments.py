"""The columns of the comparison with other instruments."""

from __future__ import annotations

from gradbench.results.column import INT, REAL, TEXT, Column

INSTRUMENTS = (
    Column("run", TEXT, "", "Name of the run."),
    Column("host", TEXT, "", "Name of the machine."),
    Column("device", TEXT, "", "Name of the device option: cpu or cuda."),
    Column("device_name", TEXT, "", "Name of the hardware."),
    Column("model", TEXT, "", "Name of the model."),
    Column("rule", TEXT, "", "Name of the rule."),
    Column("threads", INT, "", "Threads of CPU operators."),
    Column("hogs", INT, "", "Busy processes beside the measurement, on the host's processors."),
    Column("repeat", INT, "", "Number of the repeat, on allocations of its own."),
    Column("instrument", TEXT, "", "What measured: a tool, and the way it is used."),
    Column("pair", TEXT, "", "Whose times are compared, `numerator / denominator`."),
    Column("ratio", REAL, "", "Time of the numerator over that of the denominator."),
    Column("budget_s", REAL, "s", "Sampling that each instrument may use for a pair."),
    Column("wall_s", REAL, "s", "What it took, set-up included."),
    Column("torch_version", TEXT, "", "Version of PyTorch."),
    Column("gradbench_version", TEXT, "", "Version of gradbench."),
    Column("recorded_at", TEXT, "", "When it was measured, ISO 8601, UTC."),
)
