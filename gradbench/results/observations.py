"""The columns of table ``observations``: what every experiment sees, and what some add."""

from __future__ import annotations

from gradbench.results.column import FLAG, INT, REAL, TEXT, Column, interval

_EVERY = (
    Column("run", TEXT, "", "Name of the run."),
    Column("experiment", TEXT, "", "Name of the experiment."),
    Column("case", TEXT, "", "Name of the case within the experiment."),
    Column("device", TEXT, "", "Name of the device option: cpu or cuda."),
    Column("device_name", TEXT, "", "Name of the hardware; null where there is none."),
    Column("dtype", TEXT, "", "Floating type of the parameters."),
    Column("threads", INT, "", "Threads of CPU operators."),
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

_PLACEMENT = (
    Column(
        "strategy",
        TEXT,
        "",
        "How the weight was updated: a strategy, or an optimizer of torch.optim and its "
        "implementation.",
    ),
    Column(
        "placement",
        TEXT,
        "",
        "Where in the training step: before_forward, between (forward and backward), output_hook, "
        "parameter_hook or after_backward.",
    ),
    Column("operation", TEXT, "", "What was computed from the weight."),
    Column("input_requires_grad", FLAG, "", "Whether the operation's input requires grad."),
    Column("mode", TEXT, "", "eager, or the backend of torch.compile that ran both passes."),
    Column("weight_gradient", TEXT, "", "Outcome for the weight's own gradient."),
    Column("upstream_gradient", TEXT, "", "Outcome for the gradient upstream, if there is one."),
    Column("weight_error", REAL, "", "Relative error of the weight's gradient to the right one."),
    Column("upstream_error", REAL, "", "Relative error of the gradient upstream, if there is one."),
    Column(
        "same_gradient", FLAG, "", "Whether `.grad` was the same object after update or zeroing."
    ),
    Column("gradient_intact", FLAG, "", "Whether the update left the values in `.grad` bitwise."),
)

_ZEROING = (
    Column("zeroing", TEXT, "", "Name of the zeroing."),
    Column("gradient_kind", TEXT, "", "Kind of gradient that was cleared."),
    Column("shares_memory", FLAG, "", "Whether `.grad` lay in the same memory after zeroing."),
    Column(
        "gradient_version_delta",
        INT,
        "",
        "Change, by zeroing, of the version counter of the tensor that was in `.grad`.",
    ),
    Column(
        "kept_reference", TEXT, "", "What a reference to the cleared gradient held: stale or zero."
    ),
    Column(
        "next_gradient",
        REAL,
        "",
        "What the next backward pass left in `.grad`, in multiples of its own gradient.",
    ),
    Column("optimizer", TEXT, "", "Optimizer of torch.optim; several are comma-separated."),
    Column("implementation", TEXT, "", "for_loop, foreach, fused, capturable or compiled."),
    Column("options", TEXT, "", "Keywords given to the optimizer."),
    Column(
        "moved",
        REAL,
        "",
        "Largest change of an element of a parameter without a gradient, over the learning rate.",
    ),
)

_FAILURE_MODES = (
    Column("topic", TEXT, "", "What a failure mode is about: the name of its file."),
    Column("kind", TEXT, "", "Which code ran: broken, its fix, or its twin that looks like it."),
    Column("title", TEXT, "", "The failure mode in a few words."),
    Column(
        "state",
        TEXT,
        "",
        "What the code made of the gradient or update: right, none, zero, nan, stale, doubled, "
        "lost (nothing written), wrong, error, or ran (no error, nothing to compare); null where "
        "it did not run.",
    ),
    Column("why", TEXT, "", "Why the code fails, what the fix does, or why the twin is fine."),
    Column("promise", TEXT, "", "What PyTorch promises and the code shows broken, if anything."),
    Column("code", TEXT, "", "The code that ran, to be pasted."),
)

_PARITY = (
    Column("layout", TEXT, "", "Parameters and gradients of a finding's smallest case."),
    Column("check", TEXT, "", "The check that a finding fails."),
    Column("cases", INT, "", "Cases tried, or cases that a finding shows in."),
    Column("cases_agreeing", INT, "", "Cases in which every check holds."),
    Column("cases_refused", INT, "", "Cases that PyTorch refused with an error."),
    Column(
        "max_ulp_error",
        REAL,
        "ulp",
        "Largest error of a parameter against the float64 for-loop: of agreeing cases, or of a "
        "finding.",
    ),
    Column("elsewhere", TEXT, "", "Where a finding shows: a combination a line."),
    Column("reproduction", TEXT, "", "A finding's smallest case in plain PyTorch, to be pasted."),
    Column("consequence", TEXT, "", "What follows from a finding."),
)

_INSTRUMENTS = (
    Column(
        "repeats",
        TEXT,
        "",
        "JSON: by instrument, for each repeat, the ratio that it said, the seconds it took, of "
        "gradbench the ends of the ratio's 95 % interval, and what the exchange control took "
        "before and after, in seconds.",
        added=True,
    ),
)

ADDED = (*_OBSERVER_COST, *_PLACEMENT, *_ZEROING, *_FAILURE_MODES, *_PARITY, *_INSTRUMENTS)
"""Columns that one experiment or a few add; null in the rows of the others."""

_RECORD = (
    Column("gradbench_version", TEXT, "", "Version of gradbench."),
    Column("host", TEXT, "", "Name of the machine."),
    Column("recorded_at", TEXT, "", "When the experiment ended, ISO 8601, UTC."),
)

OBSERVATIONS = (*_EVERY, *ADDED, *_RECORD)
