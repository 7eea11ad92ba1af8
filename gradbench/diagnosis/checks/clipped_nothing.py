"""Clipping with an iterator that has been used up."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB313",
    title="Clipping with a generator that is used up: no parameters",
    severity=Severity.error,
    symptom="lost",
    why=(
        "`model.parameters()` is a generator, which can be gone through once. The optimizer, or "
        "the first clip, has consumed it; for clipping nothing is left, and nothing is clipped."
    ),
    fix="parameters = list(model.parameters())",
    atlas=("generator_used_up",),
    source="docs: torch.nn.Module.parameters",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for clips that were given nothing."""
    groups: dict[Place, list[Event]] = {}
    for clip in timeline.of(Kind.clip):
        if clip.detail["given"] == 0 and clip.place is not None:
            groups.setdefault(clip.place, []).append(clip)
    backward = next(iter(timeline.of(Kind.backward)), None)
    for place, clips in groups.items():
        used_up = clips[0].detail["iterator"]
        yield CHECK.found(
            place,
            f"`{clips[0].name}` is given no parameters, {often(len(clips))}: "
            + (
                "the generator is exhausted, it was used up before. Nothing is clipped."
                if used_up
                else "the list is empty. Nothing is clipped."
            ),
            also=lines((backward, "backward")),
            evidence={"times": len(clips), "given": 0},
            severity=Severity.error if used_up else Severity.note,
        )
