"""A learning rate that is to be learned, and became a number."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.exports import exports_of
from gradbench.diagnosis.finding import Also, Check, Finding, Severity
from gradbench.diagnosis.lost import passes_of, role_of_miss, said_of, unexplained
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB122",
    title="A meta-gradient through `optimizer.step()`",
    severity=Severity.error,
    symptom="none",
    why=(
        "The step of an optimizer is not recorded, and its learning rate is a number: the loss "
        "after the step does not depend on the rate as far as autograd knows."
    ),
    fix="(g,) = torch.autograd.grad(inner_loss, w, create_graph=True)\n"
    "outer_loss = criterion(w - rate * g)  # out of place, with the rate as a tensor",
    atlas=("inner_step_not_recorded",),
    source="docs: torch.autograd.grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves without a gradient whose value an optimizer got as its learning rate."""
    rates = list(_rates(timeline))
    for leaf, misses in unexplained(timeline).items():
        for export in exports_of(timeline):
            value = export.event.detail.get("value")
            if leaf not in export.leaves or value is None:
                continue
            user = next(
                (event for event, rate in rates
                 if rate == value and event.index > export.event.index), None
            )  # fmt: skip
            if user is None or export.event.place is None:
                continue
            place, missed = export.event.place, misses[0]
            also = [(user.place, "optimizer that got the number"),
                    (missed.place, role_of_miss(missed))]  # fmt: skip
            yield CHECK.found(
                place,
                f"{said_of(timeline, (leaf,), passes_of(timeline))}: `item()` makes a number of it "
                f"here, {value:.4g}, which became the learning rate of an optimizer, whose "
                "`step()` is not recorded.",
                parameters=timeline.names((leaf,)),
                also=tuple(Also(each, role) for each, role in also if each not in (None, place)),
                evidence={"lr": value, "gradients_received": 0},
            )
            break


def _rates(timeline: Timeline) -> Iterator[tuple[Event, float]]:
    for event in timeline.of(Kind.optimizer, Kind.step):
        for rate in event.detail["lr"]:
            if isinstance(rate, float):
                yield event, rate
