"""A snapshot of parameters that is the parameters themselves."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named, often
from gradbench.diagnosis.snapshots import Snapshot, snapshots
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB330",
    title="A snapshot without `clone` is the live parameter",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "`detach()`, `.data` and views copy nothing: they are another name for the same memory. "
        "Each update writes into what was put aside, which always equals the current parameter."
    ),
    fix="before = [p.detach().clone() for p in model.parameters()]",
    atlas=("snapshot_detached", "vector_to_parameters_shares"),
    source="docs: torch.Tensor.detach",
    sure_after=1,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for aliases of a parameter that are compared with it after it was written."""
    groups: dict[tuple[Place, bool], list[Snapshot]] = {}
    for each in snapshots(timeline):
        assert each.made.place is not None
        groups.setdefault((each.made.place, each.equal), []).append(each)
    for (place, equal), group in groups.items():
        if not equal and ((place, True) in groups or not _printed(group)):
            continue
        first = group[0]
        leaves = list(dict.fromkeys(each.leaf for each in group))
        vector = first.made.api.endswith("vector_to_parameters")
        how = (
            "`vector_to_parameters` makes the parameters views of the vector, without a copy"
            if vector
            else f"`{first.made.name}` makes another name for the same memory, without a copy"
        )
        if equal and first.use.kind is Kind.write:
            said = (
                f"it is averaged with the live {named(timeline, leaves)}, {often(len(group))}, by "
                f"`{first.use.name}`: both share the same memory"
            )
        elif equal:
            said = (
                f"after an update it was compared with the live {named(timeline, leaves)}, "
                f"{often(len(group))}, by `{first.use.name}`: the difference is always zero"
            )
        else:
            said = f"{named(timeline, leaves)} was written since, and it changed as well"
        yield CHECK.found(
            place,
            f"{how}: {said}. Put a `clone()` aside.",
            parameters=timeline.names(leaves),
            also=lines((first.write, "written"), (first.use, "used")),
            evidence={"times": len(group), "parameters": len(leaves)},
            severity=Severity.error if equal else Severity.note,
            atlas="vector_to_parameters_shares" if vector else "snapshot_detached",
            fix="vector_to_parameters(start.clone(), model.parameters())" if vector else "",
        )


def _printed(group: list[Snapshot]) -> bool:
    """Say whether the values were looked at from another function or line than made."""
    return any(
        each.use.kind.value == "export" and each.use.place != each.made.place for each in group
    )
