"""A tensor kept as an attribute of `ctx`, and changed before backward."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB441",
    title="`ctx.x = x` instead of `ctx.save_for_backward(x)`",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "`save_for_backward` remembers the version of a tensor and refuses to hand out one that "
        "was written since. An attribute of `ctx` has no such check: backward computes with what "
        "is there then."
    ),
    fix="ctx.save_for_backward(x)  # in forward\n(x,) = ctx.saved_tensors  # in backward",
    atlas=("kept_on_ctx",),
    source="docs: torch.autograd.function.FunctionCtx.save_for_backward",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for tensors on `ctx` that had changed when backward came to them."""
    functions = {event.index: event for event in timeline.of(Kind.function)}
    found: dict[Place, list[tuple[Event, Event]]] = {}
    for event in timeline.of(Kind.changed):
        applied = functions.get(event.detail["operator"])
        if event.name != "attribute of ctx" or applied is None:
            continue
        line = applied.detail.get("lines", {}).get(event.detail["attribute"])
        place = Place(*line) if line is not None else applied.place
        if place is not None:
            found.setdefault(place, []).append((event, applied))
    for place, group in found.items():
        event, applied = group[0]
        name = timeline.name(event.detail["tensor"])
        lines = ((applied.place, "applied"), (event.place, "backward"))
        yield CHECK.found(
            place,
            f"`{applied.name}` keeps {name} as `ctx.{event.detail['attribute']}`; it was written "
            f"between forward and backward, {len(group)} times, and backward used the new values.",
            parameters=timeline.names([event.detail["tensor"]]),
            also=tuple(Also(line, role) for line, role in lines if line is not None),
            evidence={"changed": len(group)},
        )
