"""An in-place operation on the output or input of a module with a full backward hook."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB517",
    title="An in-place operation after a module with a full backward hook",
    severity=Severity.error,
    symptom="error",
    why=(
        "`register_full_backward_hook` makes the outputs of the module views of what a custom "
        "function made. Autograd does not let such a view be written in place."
    ),
    fix=(
        "nn.ReLU()  # without inplace=True, after a hooked module\n"
        "# or register_hook on the output, in a forward hook"
    ),
    atlas=("hooked_module_written",),
    source="docs: torch.nn.Module.register_full_backward_hook",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "BackwardHookFunction is a view and is being modified inplace",
        "BackwardHookFunctionBackward is a view and is being modified inplace",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "a module has a hook by `register_full_backward_hook`, and its result is written in "
        "place, as by `nn.ReLU(inplace=True)` or `+=`.",
        also=error.also(),
        evidence=error.evidence,
    )
