"""A hook that clips each micro-batch's gradient, while gradients accumulate."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.hook_runs import HookRun, hook_runs
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB435",
    title="Clipping in a hook, with accumulation over micro-batches",
    severity=Severity.warning,
    symptom="doubled",
    why=(
        "A hook sees the gradient of each backward pass, never what has accumulated in `.grad`. "
        "Each micro-batch is clipped to the limit, and their sum goes beyond it."
    ),
    fix=(
        "for x, y in micro_batches:\n    loss(x, y).backward()\n"
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # once, before the step"
    ),
    atlas=("clipped_per_backward",),
    source="docs: torch.nn.utils.clip_grad_norm_",
)

_CLIPS = ("clamp", "clip", "clamp_", "clip_", "clamp_max", "clamp_min", "renorm")


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for a clipping hook on a leaf that runs twice before its gradient is used or cleared."""
    found: dict[Place, tuple[HookRun, Event, set[int]]] = {}
    since: dict[int, HookRun] = {}
    runs = {run.event.index: run for run in hook_runs(timeline)}
    for event in timeline.events:
        if event.kind in (Kind.clear, Kind.step):
            for number in event.detail["cleared" if event.kind is Kind.clear else "held"]:
                since.pop(number, None)
        run = runs.get(event.index)
        if run is None or timeline.tensors[run.on].role not in ("parameter", "leaf"):
            continue
        clip = _clip(run)
        if clip is None or clip.place is None:
            continue
        earlier = since.setdefault(run.on, run)
        if earlier is not run and _backward_between(timeline, earlier.event, run.event):
            found.setdefault(clip.place, (run, clip, set()))[2].add(run.on)
    for place, (run, clip, numbers) in found.items():
        names = timeline.names(sorted(numbers))
        registered = run.place
        yield CHECK.found(
            place,
            f"The hook clips (`{clip.name}`) the gradient of each backward pass, while "
            f"{', '.join(names[:2]) or timeline.name(run.on)} accumulates several: the sum is not "
            "clipped.",
            parameters=names,
            also=(Also(registered, "hook registered"),) if registered is not None else (),
            evidence={"tensors": len(numbers)},
        )


def _clip(run: HookRun) -> Event | None:
    """Return the operator that clips the gradient which goes on."""
    for event in run.within:
        if event.name in _CLIPS and run.taken in (*event.inputs, *event.outputs):
            return event
    return None


def _backward_between(timeline: Timeline, first: Event, last: Event) -> bool:
    return any(first.index < event.index < last.index for event in timeline.of(Kind.backward))
