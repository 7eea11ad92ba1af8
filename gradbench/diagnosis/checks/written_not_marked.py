"""A custom function that writes its input and does not say so."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB442",
    title="A forward that writes its input without `mark_dirty`",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "Autograd takes the input for what it was before. Whoever uses it afterwards computes with "
        "the written values and gets the gradient of the old ones."
    ),
    fix="ctx.mark_dirty(x)\nreturn x.mul_(2)  # or out of place: x * 2",
    atlas=("written_not_marked",),
    source="docs: torch.autograd.function.FunctionCtx.mark_dirty",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for custom functions that wrote an input of theirs that has a history."""
    found: dict[Place, list[Event]] = {}
    for event in timeline.of(Kind.function):
        written = set(event.detail["unmarked"]) & set(event.live)
        if not written or event.detail["module"].startswith("torch."):
            continue
        write = _write(timeline, event, written)
        place = write.place if write is not None else event.place
        if place is not None:
            found.setdefault(place, []).append(event)
    for place, events in found.items():
        applied = events[0].place
        yield CHECK.found(
            place,
            f"`{events[0].name}` writes its input in place here without `ctx.mark_dirty`, "
            f"{len(events)} times: autograd takes it for what it was.",
            parameters=timeline.names(events[0].detail["unmarked"]),
            also=(Also(applied, "applied"),) if applied is not None else (),
            evidence={"written": len(events)},
        )


def _write(timeline: Timeline, applied: Event, written: set[int]) -> Event | None:
    """Return the write within forward, which comes before the event of the function."""
    for event in reversed(timeline.of(Kind.write)):
        if event.index < applied.index and written & set(event.outputs):
            return event
    return None
