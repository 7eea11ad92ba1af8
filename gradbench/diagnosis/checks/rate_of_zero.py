"""A learning rate that is 0, of an optimizer or of one of its groups."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.rate_lines import rate_line
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB218",
    title="A learning rate of 0",
    severity=Severity.warning,
    symptom="lost",
    why=(
        "With a learning rate of 0 a step moves nothing, whatever the gradient. Such a "
        "rate is mostly a slip of whole-number division or rounding where the rates of "
        "the groups are computed."
    ),
    fix=(
        "groups = [\n"
        '    {"params": stage.parameters(), "lr": rate * (depth + 1) / len(stages)}\n'
        "    for depth, stage in enumerate(stages)\n"
        "]"
    ),
    source="docs: torch.optim",
    sure_after=3,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for groups whose learning rate was 0 in each of three or more steps."""
    steps: dict[int, list[Event]] = {}
    for event in timeline.of(Kind.step):
        steps.setdefault(event.detail["optimizer"], []).append(event)
    for number, taken in steps.items():
        groups = min(len(event.detail["lr"]) for event in taken)
        zero = [
            group
            for group in range(groups)
            if all(event.detail["lr"][group] == 0 for event in taken)
            # A schedule may begin at zero.
            and not any(event.detail["options"][group].get("initial_lr") for event in taken)
        ]
        built = next(e for e in timeline.of(Kind.optimizer) if e.detail["optimizer"] == number)
        still = [n for n in taken[-1].detail["unmoved"]]
        if len(taken) < 3 or not zero or built.place is None or not still:
            continue
        computed = rate_line(built.place) if groups > 1 else None
        which = "all groups" if len(zero) == groups else f"{len(zero)} of {groups} groups"
        yield CHECK.found(
            computed or built.place,
            f"The learning rate of {which} is 0 in all of {len(taken)} steps (lr=0): "
            f"{named(timeline, still)} got gradients and did not move.",
            parameters=timeline.names(still),
            also=lines((built, "optimizer built"), (taken[0], "step")),
            evidence={"groups": groups, "groups_of_rate_0": len(zero), "steps": len(taken)},
        )
