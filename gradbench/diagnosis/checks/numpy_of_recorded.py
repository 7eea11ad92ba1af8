"""`numpy()` of a tensor that requires a gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB534",
    title="`numpy()` of a tensor that requires a gradient",
    severity=Severity.error,
    symptom="error",
    why=(
        "An array has no history: what is computed from it gets no gradient. PyTorch wants "
        "that said with `detach()`; what belongs into the loss must stay in torch."
    ),
    fix=(
        "values = output.detach().cpu().numpy()  # to look at\n"
        "loss = torch.nn.functional.mse_loss(output, target)  # to train by: stay in torch"
    ),
    atlas=(),
    source="docs: torch.Tensor.numpy",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "Can't call numpy() on Tensor that requires grad",
        "can't convert cuda:0 device type tensor to numpy",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "use `detach()` first if the values are only looked at; if they go into the loss, "
        "compute it with torch, not with numpy.",
        also=error.also(),
        evidence=error.evidence,
    )
