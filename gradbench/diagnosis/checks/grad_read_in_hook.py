"""`.grad` read in a tensor hook, which runs before it is written."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.hook_runs import HookRun, hook_runs
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB433",
    title="Reading `.grad` in a tensor hook",
    severity=Severity.error,
    symptom="stale",
    why=(
        "A tensor hook runs before the gradient is added to `.grad`. What it reads there is that "
        "of the backward pass before, or None."
    ),
    fix="w.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))",
    atlas=("grad_read_in_hook",),
    source="docs: torch.Tensor.register_post_accumulate_grad_hook",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for hooks that read the `.grad` of the tensor that they are on."""
    found: dict[Place, list[tuple[HookRun, Event]]] = {}
    for run in hook_runs(timeline):
        for event in run.within:
            if event.kind is not Kind.grad_read or event.inputs[0] != run.on:
                continue
            if event.detail["use"] not in ("used", "stored") or event.place is None:
                continue
            if not event.detail["none"] and not _with_new(run, event):
                found.setdefault(event.place, []).append((run, event))
    for place, group in found.items():
        names = timeline.names([run.on for run, _ in group])
        registered = group[0][0].place
        yield CHECK.found(
            place,
            f"The hook on {', '.join(names[:2]) or timeline.name(group[0][0].on)} reads `.grad` "
            f"{len(group)} times before the new gradient is in it: it is stale, that of the "
            "backward pass before. Use `register_post_accumulate_grad_hook`, or the argument.",
            parameters=names,
            also=(Also(registered, "hook registered"),) if registered is not None else (),
            evidence={"reads": len(group)},
        )


def _with_new(run: HookRun, read: Event) -> bool:
    """Say whether the hook takes the old gradient together with the new one: it knows."""
    old = set(read.outputs)
    return any(old & set(event.inputs) and run.taken in event.inputs for event in run.within)
