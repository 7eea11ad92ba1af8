"""A tensor that is no parameter, assigned to a registered name."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB521",
    title="A tensor assigned to the name of a parameter",
    severity=Severity.error,
    symptom="error",
    why=(
        "A name that a module has registered as a parameter takes an `nn.Parameter` or None "
        "only. A result is no parameter, and the optimizer would not know it."
    ),
    fix="with torch.no_grad():\n    model.weight.copy_(value)  # or torch.func.functional_call",
    atlas=("tensor_assigned_to_module",),
    source="docs: torch.nn.Module.register_parameter",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(timeline, "cannot assign 'torch")
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "write the values into the parameter that is there, with `copy_` under `no_grad`, or "
        "run the module by `functional_call`.",
        also=error.also(),
        evidence=error.evidence,
    )
