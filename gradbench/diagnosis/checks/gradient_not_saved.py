"""A gradient that is read of a loaded tensor."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB227",
    title="`torch.save` does not save gradients",
    severity=Severity.error,
    symptom="none",
    why=(
        "torch.save writes the values of a tensor and whether it requires a gradient; the "
        "gradient that has accumulated is not in the file."
    ),
    fix='torch.save({"w": w, "gradient": w.grad}, file)',
    atlas=("gradient_not_saved",),
    source="docs: torch.save",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for loaded tensors whose gradient is used and is None, after one was there at saving."""
    saved: Event | None = None
    loaded: dict[int, Event] = {}
    arrived: set[int] = set()
    told: set[object] = set()
    for event in timeline.of(Kind.file, Kind.backward, Kind.grad_write, Kind.grad_read):
        if event.kind is Kind.file and event.name == "save":
            saved = event if event.detail["with_gradient"] else saved
        elif event.kind is Kind.file and saved is not None:
            loaded.update(dict.fromkeys(event.outputs, saved))
        elif event.kind is Kind.backward:
            arrived.update(event.detail["arrived"])
        elif event.kind is Kind.grad_write:
            arrived.update(event.inputs)
        elif event.kind is Kind.grad_read and event.detail["none"]:
            number = event.inputs[0]
            at = loaded.get(number)
            if at is None or number in arrived or event.detail["use"] != "used":
                continue
            if at.place is not None and at.place not in told:
                told.add(at.place)
                with_gradient = at.detail["with_gradient"]
                yield CHECK.found(
                    at.place,
                    f"`torch.save` wrote {named(timeline, with_gradient)} without the gradient it "
                    "had; `.grad` of what was loaded is read as None.",
                    parameters=timeline.names(with_gradient),
                    also=lines((event, "read as None")),
                    evidence={"saved_with_gradient": len(with_gradient)},
                )
