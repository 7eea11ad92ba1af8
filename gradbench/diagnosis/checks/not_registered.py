"""Layers or tensors in a list, dictionary or attribute that the module does not register."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.ownerless import ownerless_leaves
from gradbench.diagnosis.ownership import Ownerless
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB201",
    title="Layers in a plain list, or a tensor as attribute: not registered",
    severity=Severity.error,
    symptom="lost",
    why=(
        "`parameters()` yields what a module has registered: an nn.Parameter or nn.Module assigned "
        "as an attribute. Layers in a Python list or dict, and plain tensors, are not registered; "
        "they get gradients, and the optimizer never learns of them."
    ),
    fix=(
        "self.hidden = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])  # or nn.ModuleDict\n"
        "self.scale = nn.Parameter(torch.ones(1))"
    ),
    atlas=("layers_in_list", "tensor_as_attribute"),
    source="docs: torch.nn.ModuleList",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for unregistered leaves that get gradients and are never moved."""
    for each in ownerless_leaves(timeline):
        if each.reason != "held":
            continue
        what, remedy = _what(timeline, each)
        yield CHECK.found(
            each.place,
            f"{each.said(timeline)}: {what}, so the module has not registered it and "
            f"`parameters()` does not yield it. Use {remedy}.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence=each.evidence,
            atlas="tensor_as_attribute" if "nn.Parameter" in remedy else "layers_in_list",
        )


def _what(timeline: Timeline, each: Ownerless) -> tuple[str, str]:
    """Say what holds the leaves, and what should."""
    tensor = timeline.tensors[each.leaves[0]]
    if not tensor.held:
        return (
            "the parameter itself is assigned to nothing, only a result computed from it",
            "`nn.Parameter` of the whole expression",
        )
    parts = tensor.held.split(".")
    if tensor.role == "leaf":
        if any(part.isdigit() for part in parts):
            return "a plain Python list of tensors holds it", "`nn.ParameterList`"
        return "it is a plain tensor, not a parameter", "`nn.Parameter`"
    if any(part.isdigit() for part in parts):
        return "a plain Python list holds it", "`nn.ModuleList` or `nn.ParameterList`"
    return "a plain Python dict holds it", "`nn.ModuleDict` or `nn.ParameterDict`"
