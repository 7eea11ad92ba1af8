"""Backward of a loss that was made anew, without its history."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.exports import CONSTRUCTORS, exports_of
from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.flow import Root, flow_of
from gradbench.diagnosis.lost import (
    lost_leaves,
    missed_leaves,
    passes_of,
    role_of_miss,
    said_of,
    windows,
)  # fmt: skip
from gradbench.diagnosis.origin import makers
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB110",
    title="`backward` of a loss without a history",
    severity=Severity.error,
    symptom="none",
    why=(
        "`torch.tensor(…, requires_grad=True)` and `requires_grad_()` on a result make a leaf: "
        "backward reaches that leaf and nothing behind it. The error that the loss requires no "
        "gradient is silenced, and its reason is still there."
    ),
    fix="loss = criterion(model(x), y)\nloss.backward()  # on the loss itself",
    atlas=("loss_from_item",),
    source="docs: torch.Tensor.requires_grad_",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for backward passes that reach only a leaf that was made for them."""
    taken = {lost.place for lost in lost_leaves(timeline)}
    told: set[Place] = set()
    for leaf in missed_leaves(timeline):
        for root, missed in windows(timeline, leaf):
            made = _made_for_it(timeline, root, leaf)
            if made is None or made.place is None or made.place in taken | told:
                continue
            told.add(made.place)
            leaves = tuple(
                each
                for each in missed_leaves(timeline)
                if any(event is missed for event in missed_leaves(timeline)[each])
            )
            what = (
                "`requires_grad_` makes a leaf of a result"
                if made.kind is Kind.requires_grad
                else f"`{made.name}` takes a value without its history, of which a leaf is made"
                if made.name in ("data", "detach")
                else f"`torch.{made.name}` makes a new leaf of numbers"
            )
            also = [(root.event.place, "backward"), (missed.place, role_of_miss(missed))]
            yield CHECK.found(
                made.place,
                f"{said_of(timeline, leaves, passes_of(timeline))}: {what} here, and `backward` "
                "reaches nothing behind it.",
                parameters=timeline.names(leaves),
                also=tuple(Also(p, r) for p, r in also if p is not None and p != made.place),
                evidence={"parameters": len(leaves), "backward_passes": passes_of(timeline),
                          "leaves_reached": len(_reached(root))},
            )  # fmt: skip


def _reached(root: Root) -> frozenset[int]:
    own = root.event.detail["roots"] if root.event.detail["root_leaf"] else ()
    return frozenset((*(root.event.detail["reachable"] or root.live), *own))


def _made_for_it(timeline: Timeline, root: Root, lost: int) -> Event | None:
    """Return what made the one leaf that a backward pass reaches, of values of the lost leaf."""
    reached = _reached(root)
    if len(reached) != 1:
        return None
    (leaf,) = reached
    if leaf in timeline.owners or timeline.tensors[leaf].role != "leaf":
        return None
    steps = [event.index for event in timeline.of(Kind.step) if event.index < root.event.index]
    since = steps[-1] if steps else -1
    flow = flow_of(timeline)
    made: Event | None = None
    for event in (*makers(timeline).get(leaf, ()), *_switches(timeline, leaf)):
        if since < event.index < root.event.index and event.out_live:
            made = event
    if made is None:
        return _last_cut(timeline, lost, since, root) if root.event.detail["root_leaf"] else None
    if any(lost in cut.leaves for cut in flow.cuts_of(leaf)):
        return made
    exported = any(
        lost in each.leaves and since < each.event.index < made.index
        for each in exports_of(timeline)
    )
    return made if exported and made.name in CONSTRUCTORS else None


def _last_cut(timeline: Timeline, lost: int, since: int, root: Root) -> Event | None:
    """Return where a value was taken that `Variable` made a leaf of, unseen."""
    found = None
    for event in timeline.of(Kind.op):
        near = since < event.index < root.event.index and event.name in ("data", "detach")
        if near and any(lost in flow_of(timeline).leaves_of(each) for each in event.live):
            found = event
    return found


def _switches(timeline: Timeline, leaf: int) -> Iterator[Event]:
    for event in timeline.of(Kind.requires_grad):
        if event.outputs == (leaf,) and event.detail["value"]:
            yield event
