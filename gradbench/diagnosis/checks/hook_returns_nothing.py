"""A tensor hook that computes a new gradient and does not return it."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.hook_runs import HookRun, hook_runs
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB432",
    title="A hook that does not return the new gradient",
    severity=Severity.error,
    symptom="lost",
    why=(
        "A tensor hook replaces the gradient by what it returns. `gradient = …` within the hook "
        "binds a name of its own; without `return` the gradient goes on as it was."
    ),
    fix="def mask(gradient):\n    return gradient * keep  # return it",
    atlas=("hook_returns_nothing",),
    source="docs: torch.Tensor.register_hook",
)

_CHANGES = ("mul", "__mul__", "__rmul__", "clamp", "clip", "clamp_min", "clamp_max", "where",
            "masked_fill", "add", "__add__", "__radd__", "sub", "nan_to_num", "neg", "div",
            "__truediv__", "index_fill", "masked_scatter", "lerp", "zeros_like")  # fmt: skip
_MASKS = ("mul", "__mul__", "__rmul__", "masked_fill", "where")


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for what a hook has made of its gradient, and thrown away."""
    found: dict[Place, list[tuple[HookRun, Event]]] = {}
    for run in hook_runs(timeline):
        if run.event.detail["returned"] or _wrote(run):
            continue
        thrown = _thrown(run)
        if thrown is not None and thrown.place is not None:
            found.setdefault(thrown.place, []).append((run, thrown))
    for place, group in found.items():
        run, event = group[0]
        names = timeline.names([each.on for each, _ in group])
        registered = run.place
        yield CHECK.found(
            place,
            f"The hook `{run.event.name}` on {', '.join(names[:2]) or timeline.name(run.on)} "
            f"computes a new gradient (`{event.name}`) and returns nothing, {len(group)} times: "
            "the gradient goes on unchanged.",
            parameters=names,
            also=(Also(registered, "hook registered"),) if registered is not None else (),
            evidence={"runs": len(group), "returned": 0},
        )


def _wrote(run: HookRun) -> bool:
    """Say whether the hook puts something elsewhere: it does its work there."""
    return any(event.kind in (Kind.write, Kind.grad_write, Kind.data_write) for event in run.within)


def _thrown(run: HookRun) -> Event | None:
    """Return the operator that made a new gradient which nobody holds any more.

    What goes into other operators may be for looking at only; of that a product with zeros and
    ones, which only a mask is, counts.
    """
    dropped = set(run.event.detail["dropped"])
    masked = set(run.event.detail.get("masked", ()))
    for event in run.within:
        if event.kind is not Kind.op or not dropped & set(event.outputs):
            continue
        if run.taken not in event.inputs or event.name not in _CHANGES:
            continue
        used = any(set(event.outputs) & set(later.inputs) for later in run.within)
        if not used or set(event.outputs) & masked:
            return event
    return None
