"""`autograd.grad` for a tensor that the value does not depend on."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.ancestry import maker
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB536",
    title="`autograd.grad` for a tensor that takes no part",
    severity=Severity.error,
    symptom="error",
    why=(
        "`torch.autograd.grad` wants each input to be part of the graph of the output. A copy, a "
        "view or a `detach` that was made beside the forward pass is not, and neither is a "
        "parameter that was not used."
    ),
    fix="(g,) = torch.autograd.grad(loss, x)  # the very x that went into the loss",
    source="docs: torch.autograd.grad, allow_unused",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that `autograd.grad` raises then."""
    error = raised(
        timeline,
        "appears to not have been used in the graph",
        "differentiated Tensors does not require grad",
    )
    if error is None:
        return
    of = tuple(error.event.detail.get("of", ()))
    made = maker(timeline, of[0], error.event.index) if of else None
    said = (
        "it requires no gradient: call `requires_grad_()` before the forward pass."
        if "does not require grad" in error.message
        else "the value does not depend on it; give the very tensor that went in, or "
        "`allow_unused=True`."
    )
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: the gradient is asked for "
        f"{timeline.name(of[0]) if of else 'a tensor'}, and {said}",
        parameters=timeline.names(of),
        also=error.also((made.place if made is not None else None, "made")),
        evidence=error.evidence,
    )
