"""A target through which the gradient flows back into the network that is trained towards it."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.targets import targets
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB121",
    title="A target that was not detached",
    severity=Severity.warning,
    symptom="wrong",
    why=(
        "The target depends on the parameters that are trained towards it. Not detached, it gets a "
        "gradient as well and is pulled towards the prediction, which is not the gradient of the "
        "method."
    ),
    fix="with torch.no_grad():\n    target = reward + gamma * value(next_state)\n"
    "loss = (prediction - target).square().mean()  # or target.detach()",
    atlas=("target_not_detached",),
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for targets that require a gradient and depend on what the prediction depends on."""
    told: set[Place] = set()
    for target in targets(timeline):
        if target.place in told:
            continue
        told.add(target.place)
        names = timeline.names(target.shared)
        also = [(target.loss.place, "loss"), (target.backward.place, "backward")]
        shown = ", ".join(names[:2] or (timeline.name(target.shared[0]),))
        yield CHECK.found(
            target.place,
            f"{target.said}: it was not detached (`detach`, `no_grad`), and the gradient flows "
            f"through the target too, into {shown}.",
            parameters=names,
            also=tuple(Also(each, role) for each, role in also if each not in (None, target.place)),
            evidence={"shared_leaves": len(target.shared), "requires_grad": True},
        )
