"""An update of a parameter between the forward pass and the backward pass that needs it."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.checks.saved_then_written import versions
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.overwritten import Overwritten, overwritten
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB509",
    title="A step between a forward pass and its backward pass",
    severity=Severity.error,
    symptom="error",
    why=(
        "The forward pass saved the weights. A step, a write by hand or a loading overwrites them, "
        "and the derivative could only be that of other weights: autograd refuses. In a GAN, the "
        "second loss must go through the discriminator again after its step."
    ),
    fix=(
        "loss_d.backward()\nloss_g.backward()  # both before the steps\n"
        "# or run the forward pass again after optimizer.step()"
    ),
    atlas=("step_between_losses",),
    source="pt#39141",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    found = overwritten(timeline)
    if found is None or not _is_update(found):
        return
    name = timeline.name(found.number) if found.number is not None else "a parameter"
    write = found.write
    assert write is not None
    by = "optimizer.step()" if write.kind is Kind.step else f"`{write.name}`"
    yield CHECK.found(
        found.place,
        f"{by} changes {name} in place here, between the forward pass that saved it and the "
        "backward pass that needs it.",
        parameters=timeline.names([found.number] if found.number is not None else []),
        also=found.raised.also((found.saved.place if found.saved is not None else None, "saved")),
        evidence={**found.raised.evidence, **versions(found)},
    )


def _is_update(found: Overwritten) -> bool:
    write = found.write
    if write is None:
        return False
    if write.kind is Kind.write:
        return bool(write.detail.get("leaves")) and not write.grad_mode
    return write.kind in (Kind.step, Kind.load)
