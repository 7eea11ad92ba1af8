"""The columns of table ``observations``: what every experiment sees, and what some add."""

from __future__ import annotations

from gradbench.results.column import INT, TEXT, Column, interval

_EVERY = (
    Column("run", TEXT, "", "Name of the run."),
    Column("experiment", TEXT, "", "Name of the experiment."),
    Column("case", TEXT, "", "Name of the case within the experiment."),
    Column("device", TEXT, "", "Name of the device option: cpu or cuda."),
    Column("device_name", TEXT, "", "Name of the hardware; null where there is none."),
    Column("dtype", TEXT, "", "Floating type of the parameters."),
    Column(
        "threads",
        INT,
        "",
        "Threads of CPU operators that were asked for; null for PyTorch's choice.",
    ),
    Column("torch_version", TEXT, "", "Version of PyTorch."),
    Column("expected", TEXT, "", "What should be seen if the claim or the documentation is right."),
    Column("outcome", TEXT, "", "What was seen."),
    Column(
        "verdict",
        TEXT,
        "",
        "confirmed or refuted (a claim), as_documented or defect (PyTorch), skipped, or failed: "
        "the experiment itself broke.",
    ),
    Column("message", TEXT, "", "Text of the exception or warning, or the evidence in numbers."),
    Column("version_delta", INT, "", "Change of the parameter's version counter, if it matters."),
    Column("source", TEXT, "", "Who makes the claim: a page, an issue, a paper."),
)

_OBSERVER_COST = (
    Column("tensors", INT, "", "Tensors whose gradients are summarised."),
    *interval("cost_s", "s", "Time that the gradient statistics of one step take by themselves."),
    *interval("speedup", "", "Time of one `.item()` per norm over that of these, paired by round."),
    *interval("step_share", "", "What the statistics add to a training step, over the bare step."),
)

ADDED = (*_OBSERVER_COST,)
"""Columns that one experiment or a few add; null in the rows of the others."""

_RECORD = (
    Column("gradbench_version", TEXT, "", "Version of gradbench."),
    Column("host", TEXT, "", "Name of the machine."),
    Column("recorded_at", TEXT, "", "When the experiment ended, ISO 8601, UTC."),
)

OBSERVATIONS = (*_EVERY, *ADDED, *_RECORD)
