"""Writes between forward and backward that autograd does not see."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline
from gradbench.diagnosis.writers import NORMALISES, writers_of

CHECK = Check(
    id="GB325",
    title="A tensor saved for backward has changed since, unseen by autograd",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "Backward uses what the forward pass saved. A write between forward and backward that does "
        "not raise the version counter (through `.data`, by a fused optimizer, by NumPy, with "
        "`saved_tensors_hooks` in force) is not refused: the gradient mixes old and new values."
    ),
    fix="loss.backward()\nwith torch.no_grad():  # after backward\n    w.add_(2)",
    atlas=(
        *("written_through_data", "data_replaced", "input_buffer_refilled", "fused_step_between"),
        *("saved_through_hooks", "running_statistics_updated"),
    ),
    source="docs: notes/autograd, In-place correctness checks",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for saved tensors that were other ones when backward used them."""
    by_index = {event.index: event for event in timeline.events}
    groups: dict[tuple[Place, str], list[tuple[Event, Event | None, Event | None]]] = {}
    for changed in timeline.of(Kind.changed):
        if changed.detail["refused"] or changed.detail.get("attribute"):
            continue
        saved = by_index.get(changed.detail["operator"])
        if _own_statistics(saved, changed):
            continue
        numbers = {changed.detail["tensor"], changed.detail["leaf"]} - {None}
        write = next(
            writers_of(
                timeline, numbers, changed.detail["operator"], changed.index,
                set(changed.detail.get("writes", ())),
            ),
            None,
        )  # fmt: skip
        how, place = _how(timeline, changed, write, saved)
        if place is not None:
            groups.setdefault((place, how), []).append((changed, write, saved))
    for (place, how), group in groups.items():
        changed, write, saved = group[0]
        named = [
            each.detail["tensor"] if each.detail["leaf"] is None else each.detail["leaf"]
            for each, _, _ in group
        ]
        name = timeline.name(named[0])
        yield CHECK.found(
            place,
            f"`{name}` was saved by the forward pass{_by(saved)} and has changed since, between "
            f"forward and backward, {_SAID[how]}: backward used the new values, "
            f"{often(len(group))}. The gradients are wrong, and no error was raised.",
            parameters=timeline.names(named),
            also=lines((saved, "saved here"), (changed, "used by backward")),
            evidence={
                "times": len(group),
                "versions": list(changed.detail["versions"]),
                "written_by": write.name if write is not None else "",
            },
            atlas=_ATLAS[how],
            fix=_FIX.get(how, ""),
        )


def _own_statistics(saved: Event | None, changed: Event) -> bool:
    """Say whether a normalisation in training mode has changed its own statistics, unused."""
    return (
        saved is not None
        and saved.name in NORMALISES
        and bool(saved.detail.get("training"))
        and changed.detail["leaf"] is None
    )


def _how(
    timeline: Timeline, changed: Event, write: Event | None, saved: Event | None
) -> tuple[str, Place | None]:
    if write is None:
        number = changed.detail["tensor"]
        made = next((event for event in timeline.of(Kind.op) if number in event.outputs), saved)
        return "numpy", made.place if made is not None else None
    if write.kind is Kind.step:
        return "step", write.place
    if write.kind is Kind.data_write:
        return "assigned", write.place
    if write.kind is Kind.op:
        return "statistics", write.place
    before, after = changed.detail["versions"]
    return ("hooks" if before != after else "data"), write.place


def _by(saved: Event | None) -> str:
    return f" (by `{saved.name}`)" if saved is not None else ""


_SAID = {
    "numpy": "by something that is no operator of PyTorch, such as NumPy writing the memory that "
    "`torch.from_numpy` shares",
    "step": "by an optimizer's step with `fused=True`",
    "assigned": "by an assignment to `.data`",
    "statistics": "by a normalisation in training mode that updated its running statistics",
    "hooks": "by a write in place, with `saved_tensors_hooks` in force that kept no copy",
    "data": "by a write through `.data`",
}
_ATLAS = {
    "numpy": "input_buffer_refilled",
    "step": "fused_step_between",
    "assigned": "data_replaced",
    "statistics": "running_statistics_updated",
    "hooks": "saved_through_hooks",
    "data": "written_through_data",
}
_FIX = {
    "numpy": "x = torch.tensor(buffer)  # a copy",
    "step": "loss.backward()\noptimizer.step()  # after every backward of this forward pass",
    "statistics": "loss.backward()\nmodel.train()\nmodel(other)  # after backward",
    "hooks": "saved_tensors_hooks(torch.clone, lambda saved: saved)",
}
