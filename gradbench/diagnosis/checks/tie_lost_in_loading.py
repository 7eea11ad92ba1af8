"""Tied weights that come apart in `load_state_dict(assign=True)`."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB228",
    title="`load_state_dict(assign=True)` of a model with tied weights",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "assign=True makes a parameter of each entry of the state dict. One weight with "
        "two names becomes two parameters, each with its part of the gradient."
    ),
    fix=(
        "model.load_state_dict(state, assign=True)\n"
        "model.decoder.weight = model.encoder.weight  # tie again"
    ),
    atlas=("tie_lost_in_assign",),
    source="pt#188346",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for tied parameters that came apart and both get gradients afterwards."""
    for event in timeline.of(Kind.load):
        if event.name != "module" or not event.detail["untied"] or event.place is None:
            continue
        apart = set(event.detail["came_apart"])
        for backward in timeline.of(Kind.backward):
            both = sorted(apart & set(backward.detail["arrived"]))
            if backward.index > event.index and len(both) > 1:
                names = event.detail["untied"]
                yield CHECK.found(
                    event.place,
                    f"{' and '.join(names[:3])} were tied, one parameter; `assign=True` made "
                    f"{len(both)} of it, and each gets its part of the gradient. Tie them again "
                    "after loading.",
                    parameters=names,
                    also=lines((backward, "backward")),
                    evidence={"names": len(names), "parameters": len(both)},
                )
                break
