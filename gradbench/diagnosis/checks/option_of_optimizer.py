"""An attribute of the optimizer that is set instead of its groups."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB217",
    title="`optimizer.lr = …` sets an attribute that no step reads",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "A step reads the learning rate and the other options from each of the "
        "optimizer's param_groups. An attribute of the optimizer is read by nobody."
    ),
    fix=('for group in optimizer.param_groups:\n    group["lr"] = 0.5'),
    atlas=("rate_set_on_optimizer",),
    source="docs: torch.optim",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for options that were set on an optimizer and differ from its groups'."""
    found: dict[tuple[object, ...], list[Event]] = {}
    for event in timeline.of(Kind.option):
        if event.detail["torch"] and event.detail["value"] != event.detail["used"]:
            found.setdefault((event.place, event.name), []).append(event)
    for events in found.values():
        event = events[-1]
        if event.place is None or not _stepped_without(timeline, event):
            continue
        yield CHECK.found(
            event.place,
            f"`optimizer.{event.name} = {event.detail['value']}` sets an attribute, "
            f"{often(len(events))}; "
            f"the steps use {event.detail['used']} from `param_groups`.",
            evidence={"set": event.detail["value"], "used": event.detail["used"]},
        )


def _stepped_without(timeline: Timeline, event: Event) -> bool:
    """Say whether the next step, or the end, came without the value in the groups."""
    for step in timeline.of(Kind.step):
        if step.index > event.index and step.detail["optimizer"] == event.detail["optimizer"]:
            return all(
                options.get(event.name) != event.detail["value"]
                for options in step.detail["options"]
            )
    return False
