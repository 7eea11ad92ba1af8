"""An optimizer state that was loaded for the parameters in another order."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import named
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB221",
    title="An optimizer's state loaded with the parameters in another order",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "The state of an optimizer is matched by position, not by name. Given in another "
        "order, each parameter gets another one's momentum or moments."
    ),
    fix=(
        "optimizer = torch.optim.Adam(model.parameters())  # the order of the one that was saved\n"
        "optimizer.load_state_dict(state)"
    ),
    atlas=("optimizer_order_changed",),
    source="docs: torch.optim.Optimizer.load_state_dict",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for loaded states whose contents are those of another parameter."""
    for event in timeline.of(Kind.load):
        if event.name != "optimizer" or event.place is None:
            continue
        held = set(event.detail["held"])
        wrong = [
            (n, other) for n, other in event.detail["came_from"] if n != other and other in held
        ]
        if not wrong:
            continue
        number, other = wrong[0]
        yield CHECK.found(
            event.place,
            f"The state is matched by position: {named(timeline, [number])} got the momentum (the "
            f"state) of {named(timeline, [other])}. The parameters are in another order than in "
            f"the "
            f"optimizer that it came from ({len(wrong)} of {len(held)} are mixed up).",
            parameters=timeline.names([n for n, _ in wrong]),
            evidence={"mixed_up": len(wrong), "held": len(held)},
        )
