"""Gradients read before a GradScaler has unscaled them."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import call_line, lines, named
from gradbench.diagnosis.scaled import Scaled, scaled_gradients
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB312",
    title="`.grad` is read before `scaler.unscale_`",
    severity=Severity.warning,
    symptom="wrong",
    why=(
        "Until `scaler.unscale_(optimizer)`, or the step, each gradient is multiplied by the scale "
        "of the GradScaler. A norm taken before is that much too large."
    ),
    fix=(
        "scaler.scale(loss).backward()\nscaler.unscale_(optimizer)\n"
        "norm = p.grad.norm()\nscaler.step(optimizer)"
    ),
    atlas=("read_while_scaled",),
    source="docs: notes/amp_examples, Working with Unscaled Gradients",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for operators that took a gradient while it was scaled."""
    loud: dict[Place, list[tuple[Scaled, Event]]] = {}
    quiet: dict[Place, list[tuple[Scaled, Event]]] = {}
    reads: dict[Place, Event] = {}
    for event in timeline.of(Kind.grad_read):
        if event.place is not None:
            reads.setdefault(event.place, event)
    for scaled in scaled_gradients(timeline):
        if scaled.written or scaled.asked:
            # The program unscales by itself.
            continue
        for event in scaled.reads:
            if event.place is None:
                continue
            place = call_line(reads.get(event.place, event), scaled.backward) or event.place
            if event.kind is Kind.op and event.name in _SIZES:
                loud.setdefault(place, []).append((scaled, event))
            elif event.kind is Kind.grad_read or event.kind is Kind.export:
                quiet.setdefault(place, []).append((scaled, event))
    for place, group in loud.items():
        yield _found(timeline, place, group, Severity.warning)
    if loud:
        return
    for place, group in quiet.items():
        if any(event.kind is Kind.grad_read for _, event in group):
            yield _found(timeline, place, group, Severity.note)


def _found(
    timeline: Timeline, place: Place, group: list[tuple[Scaled, Event]], severity: Severity
) -> Finding:
    leaves = list(dict.fromkeys(scaled.leaf for scaled, _ in group))
    scaled, event = group[0]
    return CHECK.found(
        place,
        f"The gradients of {named(timeline, leaves)} are read here while they are still scaled by "
        f"{scaled.scale:g}: `scaler.unscale_` comes later.",
        parameters=timeline.names(leaves),
        also=lines((scaled.backward, "backward of the scaled loss")),
        evidence={"scale": scaled.scale, "reads": len(group), "operator": event.name},
        severity=severity,
    )


_SIZES = frozenset(
    {"norm", "vector_norm", "linalg_vector_norm", "linalg_norm", "abs", "mean", "sum", "std",
     "var", "max", "min", "amax", "pow", "square", "add", "mul", "sub", "clamp", "clamp_",
     "histc", "quantile", "median", "dot", "sqrt", "__rmul__", "cat", "stack", "_foreach_norm",
     "_foreach_mul", "_foreach_add", "einsum", "flatten", "reshape", "view", "float", "clone"}
)  # fmt: skip
"""Operators whose result depends on the scale."""
