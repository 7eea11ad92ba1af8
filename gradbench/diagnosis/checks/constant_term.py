"""A term of the loss that is a constant for backward."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause, cause_of, line_of
from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.flow import Cut, Root, flow_of
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.origin import makers
from gradbench.diagnosis.terms import constant_terms
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB111",
    title="A term of the loss that passes no gradient on",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "A term that was cut off from the graph counts in the value of the loss and not in its "
        "gradient: it is a constant. `torch.autograd.grad` returns gradients without a history "
        "unless `create_graph=True` is given, so that a penalty on them trains nothing."
    ),
    fix="(slope,) = torch.autograd.grad(score.sum(), x, create_graph=True)\n"
    "penalty = (slope.norm(dim=1) - 1).square().mean()",
    atlas=("penalty_without_graph",),
    source="docs: torch.autograd.grad",
)

_FIXES = {
    Cause.copied: "loss = error + torch.stack(parts).sum()  # not torch.tensor(parts)",
    Cause.discrete: "loss = error + probabilities.sum()  # a smooth term, no comparison, no argmax",
}

_SAID = {
    Cause.gradient: "`torch.autograd.grad` was called without `create_graph=True` here",
    Cause.copied: "`torch.tensor` copies values out of the graph here",
    Cause.discrete: "this operator is not differentiable",
    Cause.no_grad: "gradients are off here (`no_grad`)",
    Cause.data: "`.data` cuts it off here",
    Cause.detach: "`detach` cuts it off here",
}

_ALWAYS = (Cause.gradient, Cause.copied)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for terms whose value depends on what is trained, and whose gradient does not."""
    told = {lost.place for lost in lost_leaves(timeline)}
    seen: set[Place | None] = set()
    for root in flow_of(timeline).roots:
        if root.event.detail["failed"] or root.event.place in seen:
            continue
        seen.add(root.event.place)
        for term in constant_terms(timeline, root.event):
            hit = _cut(timeline, root, term.number) if term.number is not None else None
            if hit is None:
                continue
            cut, cause = hit
            place = line_of(timeline, cut, cause)
            if place in told:
                continue
            told.add(place)
            leaves = tuple(sorted(cut.leaves & root.live))
            names = timeline.names(leaves)
            also = [(term.event.place, "added to the loss"), (root.event.place, "backward")]
            shown = ", ".join(names[:2] or (timeline.name(leaves[0]),))
            yield CHECK.found(
                place,
                f"a term of the loss depends on {shown} and is a constant in its gradient: "
                f"{_SAID[cause]}.",
                parameters=names,
                also=tuple(Also(each, role) for each, role in also if each not in (None, place)),
                evidence={"parameters": len(leaves), "cut_times": cut.times},
                severity=Severity.warning if cause is Cause.discrete else Severity.error,
                fix=_FIXES.get(cause, ""),
            )


def _cut(timeline: Timeline, root: Root, number: int) -> tuple[Cut, Cause] | None:
    """Return the cut that made a term a constant, if it was hardly meant."""
    for cut in flow_of(timeline).cuts_of(number):
        if cut.event.place is None or not cut.leaves & root.live:
            continue
        cause = cause_of(timeline, cut)
        if cause is Cause.gradient and cut.event.detail.get("create_graph"):
            continue
        if cause in _ALWAYS or (cause is Cause.discrete and _is_number(timeline, number)):
            return cut, cause
        if cause in _SAID and _only_of_leaves(timeline, number, root.event):
            return cut, cause
    return None


def _is_number(timeline: Timeline, number: int) -> bool:
    return timeline.tensors[number].shape == () if number in timeline.tensors else False


def _only_of_leaves(timeline: Timeline, number: int, before: Event) -> bool:
    """Say whether a term was computed of parameters alone, without data: a regularisation."""
    waiting, parameters = [number], 0
    seen: set[int] = set()
    while waiting and len(seen) < 500:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        tensor = timeline.tensors.get(each)
        if tensor is not None and tensor.role == "parameter":
            parameters += 1
            continue
        events = [event for event in makers(timeline).get(each, ()) if event.index < before.index]
        if not events or any(event.kind is not Kind.op for event in events):
            return False
        if not events[-1].inputs:
            return False
        waiting.extend(events[-1].inputs)
    return parameters > 0 and not waiting
