"""A tensor of inference mode that is used in training."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB522",
    title="A tensor made in inference mode used in training",
    severity=Severity.error,
    symptom="error",
    why=(
        "What is made under `torch.inference_mode()` has no version counter, so that autograd can "
        "neither save it for backward nor let it be written in place."
    ),
    fix="with torch.no_grad():  # not inference_mode: it is trained with\n    f = net(x)",
    atlas=("inference_tensor_saved",),
    source="docs: notes/autograd, Inference Mode",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises then."""
    error = raised(
        timeline,
        "Inference tensors cannot be saved for backward",
        "Inplace update to inference tensor outside InferenceMode",
        "Setting requires_grad=True on inference tensor outside InferenceMode",
        "Cannot set version_counter for inference tensor",
    )
    if error is None:
        return
    entered = [
        event
        for event in timeline.of(Kind.grad_mode)
        if event.name == "inference_mode" and not event.detail["value"] and event.place is not None
    ]
    place = entered[-1].place if entered else None
    yield CHECK.found(
        place or error.place,
        f"PyTorch raised “{error.first}”: the tensor was made under `torch.inference_mode` here, "
        f"and is used in training at line {error.place.line}.",
        also=error.also(),
        evidence=error.evidence,
    )
