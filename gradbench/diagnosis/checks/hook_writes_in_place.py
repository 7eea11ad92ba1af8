"""A tensor hook that changes the gradient it is given in place."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.hook_runs import HookRun, hook_runs
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB431",
    title="A tensor hook that changes the gradient in place",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "The tensor that a hook gets may be the gradient of other tensors, too: of both operands "
        "of a sum it is one and the same. What the hook writes in place, they get as well."
    ),
    fix="w.register_hook(lambda gradient: gradient * 10)  # return a new tensor, not mul_",
    atlas=("hook_writes_in_place",),
    source="docs: torch.Tensor.register_hook",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for writes to the gradient that a hook was given."""
    found: dict[Place, list[tuple[HookRun, Event]]] = {}
    for run in hook_runs(timeline):
        for event in run.within:
            if event.kind is Kind.write and run.taken in event.outputs and event.place is not None:
                found.setdefault(event.place, []).append((run, event))
                break
    for place, group in found.items():
        run, event = group[0]
        names = timeline.names([each.on for each, _ in group])
        registered = run.place
        yield CHECK.found(
            place,
            f"The hook on {', '.join(names[:2]) or timeline.name(run.on)} writes the gradient that "
            f"it is given in place (`{event.name}`), {len(group)} times; other tensors may share "
            "it.",
            parameters=names,
            also=(Also(registered, "hook registered"),) if registered is not None else (),
            evidence={"writes": len(group)},
        )
