"""Clipping with a norm that is infinite or NaN."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import Touch, histories, lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB314",
    title="`clip_grad_norm_` with a norm that is not finite",
    severity=Severity.warning,
    symptom="zero",
    why=(
        "Each gradient is multiplied by the limit over the norm. An infinite norm makes all of "
        "them zero, and the infinite ones NaN; a NaN norm makes all of them NaN."
    ),
    fix=(
        "norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)\n"
        "# or skip the step:\nif norm.isfinite():\n    optimizer.step()"
    ),
    atlas=("clipped_to_zero",),
    source="docs: torch.nn.utils.clip_grad_norm_, error_if_nonfinite",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for clips whose norm was not finite, and for steps that used what they left."""
    groups: dict[Place, list[tuple[Event, Event | None]]] = {}
    for clip in timeline.of(Kind.clip):
        norm = clip.detail["norm"]
        if norm is None or math.isfinite(norm) or clip.place is None:
            continue
        used = _used(timeline, clip)
        if used is not None and used.kind is Kind.scale:
            continue  # the scaler looks after it
        groups.setdefault(clip.place, []).append((clip, used))
    for place, group in groups.items():
        clip, used = next((each for each in group if each[1] is not None), group[0])
        norm = clip.detail["norm"]
        leaves = clip.detail["clipped"]
        left = "every finite gradient zero" if math.isinf(norm) else "every gradient NaN"
        yield CHECK.found(
            place,
            f"`clip_grad_norm_` found a norm of {norm}, {often(len(group))}: it makes {left}, "
            f"those of {named(timeline, leaves)}"
            + (", and the step uses them." if used is not None else "."),
            parameters=timeline.names(leaves),
            also=lines((used, "step")),
            evidence={"norm": str(norm), "times": len(group)},
            severity=Severity.warning if used is not None else Severity.note,
            symptom="zero" if math.isinf(norm) else "nan",
        )


def _used(timeline: Timeline, clip: Event) -> Event | None:
    """Return the step that used what was clipped, or the scaler's event that looks after it."""
    for leaf in clip.detail["clipped"]:
        unscaled: Event | None = None
        for moment in histories(timeline).get(leaf, ()):
            if moment.event.index < clip.index:
                if moment.touch is Touch.unscaled:
                    unscaled = moment.event
                elif moment.touch is Touch.arrived:
                    unscaled = None
            elif moment.touch in (Touch.cleared, Touch.assigned, Touch.written):
                break
            elif moment.touch is Touch.skipped:
                return moment.event
            elif moment.touch is Touch.stepped:
                return unscaled or moment.event
    return None
