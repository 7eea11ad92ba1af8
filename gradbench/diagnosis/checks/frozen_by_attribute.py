"""`requires_grad` that was set on a module, where nobody reads it."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import named
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB231",
    title="`module.requires_grad = False` freezes nothing",
    severity=Severity.error,
    symptom="moves",
    why=(
        "A module has no requires_grad: the assignment makes a Python attribute that "
        "nobody reads. The parameters keep their own flags, get gradients and move on."
    ),
    fix="module.requires_grad_(False)",
    atlas=("frozen_by_attribute",),
    source="docs: torch.nn.Module.requires_grad_",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the flag on modules whose parameters went on as before."""
    for event in timeline.of(Kind.assign):
        if event.detail["what"] != "flag" or event.place is None or not event.inputs:
            continue
        wanted = event.detail["value"]
        other = [n for n in event.inputs if (n in event.live) != wanted]
        got = [
            number
            for number in other
            if any(e.index > event.index for e in timeline.arrivals.get(number, ()))
        ]
        frozen = not any(event.index < e.index for e in timeline.of(Kind.requires_grad))
        later = any(e.index > event.index for e in timeline.of(Kind.backward))
        numbers = other if wanted and frozen and later and not got else got
        if not numbers or (wanted and got):
            continue
        moved = {
            n for e in timeline.of(Kind.step) if e.index > event.index for n in e.detail["moved"]
        }
        what = "stayed frozen" if wanted else "got gradients all the same"
        yield CHECK.found(
            event.place,
            f"`requires_grad = {wanted}` on a module ({event.detail['module']}) sets an attribute "
            f"that "
            f"nobody reads: {named(timeline, numbers)} {what}, and "
            f"{len(moved & set(numbers))} moved. Call `requires_grad_({wanted})`.",
            parameters=timeline.names(numbers),
            evidence={"parameters": len(numbers), "moved": len(moved & set(numbers))},
        )
