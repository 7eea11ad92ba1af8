"""A parameter written by hand after the forward pass and before backward, without an error."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Severity
from gradbench.diagnosis.flow import flow_of
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB360",
    title="A parameter written between forward and backward",
    severity=Severity.warning,
    symptom="stale",
    why=(
        "Backward computes the gradient of the loss that was computed: at the weights of the "
        "forward pass. It is neither zero nor lost, but the parameter has moved on, and the next "
        "update applies a gradient of other weights. Where an operator had saved the parameter, "
        "backward raises an error instead."
    ),
    fix="loss.backward()\nwith torch.no_grad():\n    parameter.copy_(new)  # after backward",
    source="docs: notes/autograd, In-place correctness checks",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves that were used, then written by hand, and then got a gradient."""
    passes = [each for each in timeline.of(Kind.backward) if not each.detail["failed"]]
    told = set()
    for write in timeline.of(Kind.write):
        if not _by_hand(write) or write.place in told:
            continue
        backward = next((each for each in passes if each.index > write.index), None)
        before = [each.index for each in passes if each.index < write.index]
        if backward is None or write.index >= backward.detail["first"]:  # a hook's write
            continue
        leaves = [
            leaf
            for leaf in write.detail["leaves"]
            if leaf in backward.detail["arrived"]
            and _used_before_only(timeline, leaf, max(before, default=-1), write, backward)
        ]
        if not leaves or write.place is None:
            continue
        told.add(write.place)
        names = timeline.names(leaves) or (timeline.name(leaves[0]),)
        known = any(timeline.tensors[leaf].module for leaf in leaves)
        also = (Also(backward.place, "backward"),) if backward.place is not None else ()
        yield CHECK.found(
            write.place,
            f"`{write.name}` writes {', '.join(names[:3])} here, after the forward pass and before "
            "`backward`. The gradient arrives, and is that at the weights before the write.",
            parameters=timeline.names(leaves),
            also=also,
            evidence={
                "gradient_norms": [_norm(backward, leaf) for leaf in leaves[:8]],
                "version_bumped": bool(write.detail.get("bumped")),
            },
            severity=Severity.warning if known else Severity.note,
        )


def _by_hand(write: Event) -> bool:
    return bool(write.detail.get("leaves")) and not write.api and not write.grad_mode


def _used_before_only(
    timeline: Timeline, leaf: int, since: int, write: Event, backward: Event
) -> bool:
    """Say whether recorded operators used a leaf before the write, and none after it."""
    uses = [
        each.index
        for each in flow_of(timeline).uses.get(leaf, ())
        if leaf in each.live and each.out_live and since < each.index < backward.detail["first"]
    ]
    return any(use < write.index for use in uses) and not any(use > write.index for use in uses)


def _norm(backward: Event, leaf: int) -> float | None:
    arrived, norms = backward.detail["arrived"], backward.detail["norms"]
    place = arrived.index(leaf)
    return norms[place] if place < len(norms) else None
