"""A name that was meant to be a leaf's, and names a result."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Severity
from gradbench.diagnosis.leafless import Kept, readings
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB117",
    title="A parameter that became a result",
    severity=Severity.error,
    symptom="none",
    why=(
        "`w = w - lr * w.grad`, `torch.ones(…, requires_grad=True) * 0.01` and "
        "`torch.ones(…, requires_grad=True).to(device)` return results with a history. The name "
        "now is that of a result, which is no leaf and keeps no `.grad`."
    ),
    fix="with torch.no_grad():\n    w -= lr * w.grad  # in place: w stays the leaf\n"
    "w = (torch.ones(2) * 0.01).requires_grad_()  # requires_grad last",
    atlas=("rebind_with_grad", "scaled_initial_value"),
    source="docs: torch.Tensor.is_leaf",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for a None that was read from what took a leaf's place."""
    for reading in readings(timeline):
        if not reading.meant_as_leaf:
            continue
        name = timeline.name(reading.number)
        if reading.kept is Kept.rebound:
            said = f"{name} is bound to a new tensor here, the result of an update"
            fix = "with torch.no_grad():\n    w -= lr * w.grad  # in place: w stays the leaf"
            mode = "rebind_with_grad"
        else:
            said = f"{name} is the result of `{reading.maker.name.strip('_')}` of a leaf that"
            said += " nobody kept"
            fix = "w = (torch.ones(2, device=device) * 0.01).requires_grad_()"
            mode = "scaled_initial_value"
        yield CHECK.found(
            reading.made_at,
            f"{said}: it is no leaf (`is_leaf` is False), and its `.grad` is None.",
            parameters=timeline.names((reading.number,)),
            also=(Also(reading.place, "read as None"),),
            evidence={"reads": reading.times, "leaf": False, "retained": False},
            fix=fix,
            atlas=mode,
        )
