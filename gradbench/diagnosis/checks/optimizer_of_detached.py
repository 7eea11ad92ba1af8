"""An optimizer of detached tensors, such as those of a state dict."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB208",
    title="An optimizer built from `state_dict()` or detached tensors",
    severity=Severity.error,
    symptom="lost",
    why=(
        "The tensors of a state dict, and what detach or clone().detach() returns, are no "
        "parameters: no gradient ever arrives at them. The optimizer waits for one and "
        "moves nothing; the gradients arrive at the parameters, which it does not hold."
    ),
    fix="optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # not state_dict().values()",
    atlas=("optimizer_of_state_dict",),
    source="docs: torch.nn.Module.state_dict",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for steps that find no gradient in detached tensors whose parameters have one."""
    origin: dict[int, tuple[int, str]] = {}
    arrived: set[int] = set()
    told: set[int] = set()
    for event in timeline.events:
        if event.kind is Kind.op and event.name in _COPIES and event.inputs and event.outputs:
            first = event.inputs[0]
            leaf, api = origin.get(first, (first, event.api))
            origin[event.outputs[0]] = leaf, api or event.name
        elif event.kind is Kind.backward:
            arrived.update(event.detail["arrived"])
        elif event.kind is Kind.step and event.detail["optimizer"] not in told:
            none = [n for n in event.detail["none"] if n in origin and n not in arrived]
            lost = [n for n in none if origin[n][0] in arrived]
            if lost:
                told.add(event.detail["optimizer"])
                yield from _found(timeline, event, lost, origin)


def _found(
    timeline: Timeline, step: Event, lost: list[int], origin: dict[int, tuple[int, str]]
) -> Iterator[Finding]:
    number = step.detail["optimizer"]
    built = next(e for e in timeline.of(Kind.optimizer) if e.detail["optimizer"] == number)
    leaves = [origin[each][0] for each in lost if origin[each][0] not in timeline.owners]
    if built.place is None or not leaves or any(each in timeline.arrivals for each in lost):
        return
    how = "`state_dict()`" if "state_dict" in origin[lost[0]][1] else "`detach` or a copy"
    yield CHECK.found(
        built.place,
        f"The optimizer holds {len(lost)} tensors from {how} that never get a gradient; the "
        f"gradients of {named(timeline, leaves)} arrive at the parameters, which it does not hold.",
        parameters=timeline.names(leaves),
        also=lines((step, "step that found no gradient")),
        evidence={"detached": len(lost), "without_gradient": len(step.detail["none"])},
    )


_COPIES = frozenset({"detach", "data", "clone", "to", "float", "double", "cpu", "cuda", "numpy"})
