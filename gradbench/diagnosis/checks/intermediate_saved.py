"""A custom function that saves an intermediate result, differentiated twice."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.ancestry import ancestors
from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB443",
    title="An intermediate result saved, and a second derivative",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "What forward computes on the way and saves is a constant to the second derivative: "
        "forward runs without recording. Only inputs and outputs keep their history."
    ),
    fix="ctx.save_for_backward(x)  # inputs and outputs; compute the rest again in backward",
    atlas=("intermediate_saved",),
    source="tutorial: Double Backward with Custom Functions",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for such a function in a graph whose gradient is itself recorded."""
    if not any(event.detail["intermediate"] for event in timeline.of(Kind.function)):
        return
    found: dict[Place, tuple[Event, Event]] = {}
    for second in timeline.of(Kind.gradient, Kind.backward):
        if not second.detail.get("create_graph"):
            continue
        for event in ancestors(timeline, second.detail["roots"], second.index, live=True):
            if event.kind is not Kind.function or not event.detail["intermediate"]:
                continue
            if event.detail["module"].startswith("torch."):
                continue
            line = event.detail.get("lines", {}).get("save")
            place = Place(*line) if line is not None else event.place
            if place is not None:
                found.setdefault(place, (event, second))
    for place, (event, second) in found.items():
        lines = ((event.place, "applied"), (second.place, "differentiated"))
        yield CHECK.found(
            place,
            f"`{event.name}` saves {event.detail['intermediate']} intermediate result that is "
            "neither input nor output, and its gradient is differentiated again with "
            "`create_graph=True`: the second derivative takes it for a constant.",
            also=tuple(Also(line, role) for line, role in lines if line is not None),
            evidence={"intermediate": event.detail["intermediate"]},
        )
