"""Two optimizers whose state is one and the same tensor."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB222",
    title="`optimizer.load_state_dict(other.state_dict())` shares the state",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "A state dict holds the optimizer's tensors themselves, and loading copies none "
        "that fits. Both optimizers then keep one momentum in one memory, and each step "
        "of either writes it."
    ),
    fix="optimizer.load_state_dict(copy.deepcopy(other.state_dict()))",
    atlas=("optimizer_state_shared",),
    source="pt#196083, pt#106082",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for optimizers that share their state and are both stepped afterwards."""
    for event in timeline.of(Kind.load):
        if event.name != "optimizer" or event.place is None or not event.detail["shares"]:
            continue
        own = event.detail["optimizer"]
        later = [e for e in timeline.of(Kind.step) if e.index > event.index]
        mine = [e for e in later if e.detail["optimizer"] == own]
        others = [e for e in later if e.detail["optimizer"] in event.detail["shares"]]
        if mine and others:
            yield CHECK.found(
                event.place,
                "The loaded state is the other optimizer's own tensors (no copy): both step "
                f"afterwards, {len(mine)} and {len(others)} times, and each writes the momentum of "
                "the other. Load a `copy.deepcopy`.",
                parameters=timeline.names(event.detail["held"]),
                also=lines((mine[0], "step"), (others[0], "step of the other")),
                evidence={"steps": len(mine), "steps_of_the_other": len(others)},
            )
