"""A custom autograd Function whose backward returns None for a leaf."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.flow import Root, flow_of
from gradbench.diagnosis.lost import passes_of, role_of_miss, said_of, unexplained, windows
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB109",
    title="A custom Function whose `backward` returns None",
    severity=Severity.error,
    symptom="none",
    why=(
        "The `backward` of a custom `autograd.Function` returns one gradient for each input of "
        "`forward`, in their order. Where it returns None the graph goes on, and the parameter "
        "behind that input gets nothing."
    ),
    fix="return grad * d_x, (grad * d_weight).sum()  # one for each input, not None",
    source="docs: torch.autograd.Function",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves that the graph reaches, through a custom Function, and no gradient does."""
    found: dict[tuple[Place, str], tuple[list[int], Event, Root, Event]] = {}
    for leaf in unexplained(timeline):
        for root, missed in windows(timeline, leaf):
            function = _function(timeline, leaf, root)
            if function is not None and function.place is not None:
                lines = function.detail["lines"]
                place = Place(*lines["backward"])
                group = found.setdefault((place, function.name), ([], function, root, missed))
                group[0].append(leaf)
                break
    for (place, name), (leaves, function, root, missed) in found.items():
        also = [
            (function.place, "applied"),
            (root.event.place, "backward"),
            (missed.place, role_of_miss(missed)),
        ]
        yield CHECK.found(
            place,
            f"{said_of(timeline, tuple(leaves), passes_of(timeline))}: the graph of the loss leads "
            f"to it through `{name}`, and its `backward` returns None for that input.",
            parameters=timeline.names(leaves),
            also=tuple(Also(each, role) for each, role in also if each is not None),
            evidence={
                "parameters": len(leaves),
                "backward_passes": passes_of(timeline),
                "gradients_received": 0,
            },
        )


def _function(timeline: Timeline, leaf: int, root: Root) -> Event | None:
    """Return the custom Function that stands between a leaf and the loss."""
    if leaf not in (root.event.detail["reachable"] or ()):
        return None
    behind = None
    for event in timeline.of(Kind.function):
        if event.index > root.event.index or "backward" not in event.detail.get("lines", ()):
            continue
        if event.detail["module"].startswith("torch.") or not event.out_live:
            continue
        if leaf in event.live:
            return event
        if any(leaf in flow_of(timeline).leaves_of(each) for each in event.live):
            behind = event
    return behind
