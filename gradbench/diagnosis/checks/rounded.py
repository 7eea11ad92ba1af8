"""Rounding, or another step function, between a parameter and the loss."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.flow import flow_of
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB107",
    title="`round`, `floor`, `sign` in the forward pass",
    severity=Severity.error,
    symptom="zero",
    why=(
        "A step function is recorded, and its derivative is zero everywhere: `torch.round`, "
        "`floor`, `ceil`, `trunc`, `sign`, and the draw of `torch.normal` or `bernoulli`. All "
        "that lies behind gets a gradient of zeros."
    ),
    fix="# a straight-through estimate: the value of sign, the gradient of the identity\n"
    "code = soft + (torch.sign(soft) - soft).detach()",
    atlas=("rounded",),
    source="arXiv:1308.3432",
)

_STEPS = ("Round", "Floor", "Ceil", "Trunc", "Sign", "Sgn", "Fix", "Normal", "Bernoulli", "Poisson")


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves whose gradient is always zero, and became zero at a step function."""
    wanted = _wanted(timeline)
    found: dict[Place, tuple[set[int], Event]] = {}
    for event in timeline.of(Kind.vanished):
        if not event.name.startswith(_STEPS) or event.place is None:
            continue
        flow = flow_of(timeline)
        behind = {leaf for each in event.live for leaf in flow.leaves_of(each)}
        leaves = {leaf for leaf in behind & wanted if _always_zero(timeline, leaf)}
        if leaves:
            found.setdefault(event.place, (set(), event))[0].update(leaves)
    for place, (leaves, event) in found.items():
        first = min(leaves)
        passes = timeline.arrivals[first]
        names = timeline.names(sorted(leaves))
        shown = ", ".join(names[:2] or (timeline.name(first),))
        more = f" and {len(leaves) - 2} more" if len(leaves) > 2 else ""
        also = [(passes[0].place, "backward")] if passes[0].place not in (None, place) else []
        yield CHECK.found(
            place,
            f"the gradient of {shown}{more} was zero in each of {len(passes)} backward passes: "
            f"`{event.detail['operator_name']}` is a step function, and its derivative is zero.",
            parameters=names,
            also=tuple(Also(each, role) for each, role in also if each is not None),
            evidence={"parameters": len(leaves), "backward_passes": len(passes), "norm": 0.0},
        )


def _wanted(timeline: Timeline) -> set[int]:
    """Return the leaves that an optimizer holds or whose gradient was read."""
    read = {event.inputs[0] for event in timeline.of(Kind.grad_read) if not event.detail["none"]}
    return read | set(timeline.owners)


def _always_zero(timeline: Timeline, leaf: int) -> bool:
    passes = timeline.arrivals.get(leaf, ())
    return bool(passes) and all(leaf in event.detail["zero"] for event in passes)
