"""Updates by hand that go along the gradient, uphill."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB320",
    title="An update by hand climbs: wrong sign of the gradient",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "The gradient points uphill. Adding it is gradient ascent and raises the loss; an update "
        "subtracts it."
    ),
    fix="with torch.no_grad():\n    p -= lr * p.grad",
    atlas=("ascended",),
    source="docs: torch.Tensor.backward",
    sure_after=2,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves that the program moves along their gradients, and never against them."""
    climbs, back = _climbs(timeline)
    groups: dict[tuple[Place, Severity], list[tuple[int, list[tuple[Event, float]]]]] = {}
    for leaf, writes in climbs.items():
        mean = sum(along for _, along in writes) / len(writes)
        place = writes[0][0].place
        if leaf in back or mean < 0.5 or writes[0][1] < 0.9 or place is None:
            continue
        severity = _severity(timeline, leaf, writes)
        if severity is not None:
            groups.setdefault((place, severity), []).append((leaf, writes))
    for (place, severity), group in groups.items():
        leaves = [leaf for leaf, _ in group]
        writes = group[0][1]
        backward = _backward_before(timeline, leaves[0], writes[0][0])
        mean = sum(along for _, along in writes) / len(writes)
        yield CHECK.found(
            place,
            f"{named(timeline, leaves)} moved along the gradient, uphill, in {len(writes)} of "
            f"{len(writes)} updates by hand (cosine with the gradient {mean:+.2f}): the sign of "
            "the update is wrong, unless the loss is to be raised.",
            parameters=timeline.names(leaves),
            also=lines((backward, "backward")),
            evidence={"cosine": round(mean, 4), "updates": len(writes), "parameters": len(leaves)},
            severity=severity,
        )


def _climbs(timeline: Timeline) -> tuple[dict[int, list[tuple[Event, float]]], set[int]]:
    """Return the writes along a gradient, and the leaves that are moved in another way as well."""
    climbs: dict[int, list[tuple[Event, float]]] = {}
    back: set[int] = set()
    for event in timeline.events:
        if event.kind is Kind.write:
            for leaf, along in zip(
                event.detail.get("moved", ()), event.detail.get("along", ()), strict=False
            ):
                if along > 0.1 and event.name in _UPDATES:
                    climbs.setdefault(leaf, []).append((event, along))
                elif along < -0.1 or event.name in ("copy_", "_foreach_copy_"):
                    back.add(leaf)
        elif event.kind is Kind.data_write:
            back.update(leaf for leaf in event.outputs if leaf in climbs)
        elif event.kind is Kind.step:
            back.update(event.detail["held"])
        elif event.kind is Kind.load:
            back.update(leaf for leaf in event.outputs if leaf in climbs)
    return climbs, back


def _severity(timeline: Timeline, leaf: int, writes: list[tuple[Event, float]]) -> Severity | None:
    """Say how sure it is that the loss was not to be raised; None where raising it is usual."""
    backward = _backward_before(timeline, leaf, writes[0][0])
    if backward is None:
        return None
    parameters = {
        number for number, tensor in timeline.tensors.items() if tensor.role == "parameter"
    }
    module = leaf in parameters
    if not module and parameters:
        # A picture, or another input, that is to become what a model likes, or dislikes.
        return None
    root = backward.detail["roots"][0] if backward.detail["roots"] else -1
    tensor = timeline.tensors.get(root)
    name = tensor.name.lower() if tensor is not None else ""
    if any(word in name for word in _RAISED) or _negated(timeline, root):
        return None
    if len(writes) < 2:
        return Severity.note
    lossy = any(word in name for word in _LOWERED) or _made_by_loss(timeline, root)
    if lossy:
        return Severity.error
    return Severity.warning if module else Severity.note


def _negated(timeline: Timeline, root: int) -> bool:
    """Say whether the root was made by a change of sign: nobody can tell what it means."""
    return any(root in event.outputs and event.name == "neg" for event in timeline.of(Kind.op))


def _made_by_loss(timeline: Timeline, root: int) -> bool:
    return any(
        root in event.outputs and ("loss" in event.name or "cross_entropy" in event.name)
        for event in timeline.of(Kind.op)
    )


def _backward_before(timeline: Timeline, leaf: int, write: Event) -> Event | None:
    """Return the backward that brought the gradient which a write went along."""
    found = [event for event in timeline.arrivals.get(leaf, ()) if event.index < write.index]
    return found[-1] if found else None


_UPDATES = frozenset(
    {"add_", "sub_", "__iadd__", "__isub__", "addcdiv_", "addcmul_", "_foreach_add_",
     "_foreach_sub_", "_foreach_addcdiv_", "__setitem__"}
)  # fmt: skip
_RAISED = (
    *("objective", "reward", "return", "score", "likelihood", "log_prob", "logprob", "elbo"),
    *("utility", "fitness", "evidence", "value", "bound", "gain", "advantage", "margin"),
)
_LOWERED = ("loss", "cost", "error", "nll", "mse", "energy", "penalty")
