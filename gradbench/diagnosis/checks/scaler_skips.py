"""Steps that a GradScaler skipped."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB315",
    title="A step that the GradScaler skipped: gradients not finite",
    severity=Severity.note,
    symptom="lost",
    why=(
        "Where a gradient is infinite or NaN, `scaler.step` does not step, and `scaler.update` "
        "makes the scale smaller. A few skipped steps at the begin are normal; the batch is lost."
    ),
    fix=(
        "scaler.step(optimizer)\nscaler.update()  # after each step: the scale shrinks\n"
        "skipped = scaler.get_scale() < scale"
    ),
    atlas=("step_skipped_for_inf",),
    source="docs: notes/amp_examples, Typical Mixed Precision Training",
    sure_after=0,
)

_MANY = 12
"""Skipped steps in a row, the scale halved each time, after which something else is amiss."""


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for scalers that did not step."""
    scalers: dict[int, list[Event]] = {}
    for event in timeline.of(Kind.scale):
        if event.name in ("step", "update") and event.detail["enabled"]:
            scalers.setdefault(event.detail["scaler"], []).append(event)
    for events in scalers.values():
        steps = [event for event in events if event.name == "step"]
        skipped = [event for event in steps if not event.detail["stepped"]]
        if not skipped or skipped[0].place is None:
            continue
        updated = any(event.name == "update" for event in events)
        never = len(skipped) == len(steps)
        leaves = skipped[0].detail["held"]
        hopeless = (never and len(steps) >= _MANY) or (not updated and len(skipped) > 1)
        yield CHECK.found(
            skipped[0].place,
            f"`scaler.step` skipped {len(skipped)} of {len(steps)} steps: a gradient of "
            f"{named(timeline, leaves)} was not finite at a scale of "
            f"{skipped[0].detail['before']:g}."
            + ("" if updated else " `scaler.update` is never called, so that the scale stays.")
            + (f" It never stepped, {often(len(steps))}." if never and len(steps) > 1 else ""),
            parameters=timeline.names(leaves),
            also=lines((skipped[-1], "last step skipped")),
            evidence={
                "skipped": len(skipped),
                "steps": len(steps),
                "scale_first": skipped[0].detail["before"],
                "scale_last": events[-1].detail["scale"],
            },
            severity=Severity.warning if hopeless else Severity.note,
        )
