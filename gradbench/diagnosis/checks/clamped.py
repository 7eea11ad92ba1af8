"""A clamp whose inputs all lie outside of its range."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.ancestry import ancestors
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Kind, Timeline
from gradbench.diagnosis.vanishing import Vanished, vanished

CHECK = Check(
    id="GB413",
    title="`clamp` in the forward pass, outside of its range",
    severity=Severity.warning,
    symptom="zero",
    why=(
        "Outside its range `clamp` is constant: what lies there gets no gradient, and nothing "
        "brings it back."
    ),
    fix="with torch.no_grad():\n    w.clamp_(0, 1)  # after the update, not in the forward pass",
    atlas=("clamped",),
    source="docs: torch.clamp",
    sure_after=3,
)

_CLAMPS = ("clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_max", "hardtanh", "hardsigmoid",
           "clamp_min_", "clamp_max_")  # fmt: skip


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for a clamp that made zeros of all gradients, and leaves that got nothing else."""
    passes = len(timeline.of(Kind.backward))
    for found in vanished(timeline):
        if found.name not in _CLAMPS or (not found.sure and found.passes < passes):
            continue
        behind = _behind(timeline, found)
        if not behind:
            continue
        names = timeline.names(behind) or (timeline.name(behind[0]),)
        yield CHECK.found(
            found.place,
            f"All that goes into `{found.name}` here lies outside of its range, in "
            f"{found.passes} backward passes: {', '.join(names[:3])} get zeros.",
            parameters=names,
            also=found.also,
            evidence=found.evidence,
        )


def _behind(timeline: Timeline, found: Vanished) -> tuple[int, ...]:
    """Return the leaves with a gradient of zeros that the clamp's input depends on."""
    numbers = found.first.inputs or found.first.outputs
    index = found.first.detail["operator"]
    reached = set(numbers)
    for event in ancestors(timeline, numbers, index, live=True):
        reached.update(event.live)
    return tuple(number for number in found.leaves if number in reached)
