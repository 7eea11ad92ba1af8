"""A tensor hook whose mask lets nothing through."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.hook_runs import HookRun, hook_runs
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB436",
    title="A hook whose mask is all zeros",
    severity=Severity.warning,
    symptom="zero",
    why=(
        "A tensor hook replaces the gradient by what it returns: here by zeros alone, so nothing "
        "is learned. A mask is often empty because it was filled through a copy: "
        "`mask[rows][:, columns] = 1` writes into what `mask[rows]` returned."
    ),
    fix="mask[rows[:, None], columns] = 1.0  # one indexing, not two",
    source="docs: torch.Tensor.register_hook",
    sure_after=2,
)

_MASKS = ("mul", "__mul__", "__rmul__", "multiply")


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for hooks that multiply by a tensor and made zeros of every gradient they were given."""
    runs: dict[int, list[HookRun]] = {}
    for run in hook_runs(timeline):
        runs.setdefault(run.on, []).append(run)
    groups: dict[Place, list[HookRun]] = {}
    for group in runs.values():
        place = group[0].place
        emptied = all(run.event.detail["emptied"] for run in group)
        if len(group) >= 2 and emptied and place is not None and _by_a_mask(group[0]):
            groups.setdefault(place, []).extend(group)
    for place, group in groups.items():
        names = timeline.names([run.on for run in group])
        line = group[0].event.place
        yield CHECK.found(
            place,
            f"The hook on {', '.join(names[:2]) or timeline.name(group[0].on)} multiplies by a "
            f"mask and made zeros of its gradient in all of {len(group)} runs, though the gradient "
            "was not zero.",
            parameters=names,
            also=(Also(line, "hook"),) if line is not None and line != place else (),
            evidence={"runs": len(group), "zero": len(group)},
        )


def _by_a_mask(run: HookRun) -> bool:
    """Say whether the gradient was multiplied by another tensor, not by the number 0."""
    return any(
        event.kind is Kind.op
        and event.name in _MASKS
        and run.taken in event.inputs
        and len(event.inputs) == 2
        for event in run.within
    )
