"""An optimizer that was copied alone, and steps copies of the parameters."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB212",
    title="`deepcopy` of an optimizer alone",
    severity=Severity.error,
    symptom="lost",
    why=(
        "A deep copy of an optimizer holds deep copies of the parameters, and steps "
        "those. The model's own parameters get the gradients and stay as they are."
    ),
    fix=(
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "optimizer.load_state_dict(copy.deepcopy(old.state_dict()))"
    ),
    atlas=("copied_alone",),
    source="docs: torch.optim.Optimizer.load_state_dict",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for copied optimizers whose parameters get no gradient while the originals do."""
    source = {
        made: each
        for event in timeline.of(Kind.copy)
        for each, made in zip(event.inputs, event.outputs, strict=True)
    }
    for event in timeline.of(Kind.op):
        if event.api.endswith("_tensor.__deepcopy__") or event.name == "__deepcopy__":
            source.update(zip(event.outputs, event.inputs, strict=False))
    for built in timeline.of(Kind.optimizer):
        if built.detail["made"] != "copied" or built.place is None:
            continue
        step = next(
            (
                e
                for e in timeline.of(Kind.step)
                if e.detail["optimizer"] == built.detail["optimizer"]
            ),
            None,
        )
        held = built.detail["held"]
        if step is None or set(step.detail["none"]) != set(held):
            continue
        others = [n for n in timeline.arrivals if n not in held and _alike(timeline, n, held)]
        leaves = [source[n] for n in held if source.get(n) in timeline.arrivals] or others
        if leaves and not any(n in timeline.arrivals for n in held):
            yield CHECK.found(
                built.place,
                f"`deepcopy` copied the optimizer with its {len(held)} parameters: it steps the "
                f"copies, which got no gradient; those of {named(timeline, leaves)} are left.",
                parameters=timeline.names(leaves),
                also=lines((step, "step that found no gradient")),
                evidence={"held": len(held), "without_gradient": len(step.detail["none"])},
            )


def _alike(timeline: Timeline, number: int, held: tuple[int, ...]) -> bool:
    shape = timeline.tensors[number].shape
    return any(timeline.tensors[each].shape == shape for each in held if each in timeline.tensors)
