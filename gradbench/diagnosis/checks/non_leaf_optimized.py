"""An optimizer that is given a result instead of a leaf."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.ancestry import maker
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB520",
    title="An optimizer that is given a result instead of a leaf",
    severity=Severity.error,
    symptom="error",
    why=(
        "An optimizer writes leaves. `torch.randn(3, requires_grad=True) * 0.1`, or `.to(device)`, "
        "is the result of an operator on a leaf that nobody holds any more."
    ),
    fix=(
        "w = (torch.randn(3, device=device) * 0.1).requires_grad_()  # a leaf, made last\n"
        "optimizer = torch.optim.SGD([w], lr=0.1)"
    ),
    source="docs: torch.Tensor.is_leaf",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that the optimizer raises then."""
    error = raised(timeline, "can't optimize a non-leaf Tensor")
    if error is None:
        return
    numbers = error.event.detail.get("of", ())
    made = [maker(timeline, number, error.event.index) for number in numbers]
    first = next((event for event in made if event is not None and event.place), None)
    by = f"`{first.name}` made it here" if first is not None else "an operator made it"
    yield CHECK.found(
        first.place if first is not None and first.place is not None else error.place,
        f"PyTorch raised “{error.first}”: {timeline.name(numbers[0]) if numbers else 'a tensor'} "
        f"is a result, not a leaf; {by}.",
        parameters=timeline.names(tuple(numbers)),
        also=error.also(),
        evidence=error.evidence,
    )
