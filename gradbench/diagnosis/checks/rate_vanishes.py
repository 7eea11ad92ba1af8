"""A learning rate that vanishes within a few updates."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB219",
    title="The learning rate vanishes within a few updates",
    severity=Severity.warning,
    symptom="lost",
    why=(
        "A scheduler lowers the learning rate each time that its step() is called. Meant "
        "to be called once for an epoch and called for each batch, it lowers the rate so "
        "often that the parameters hardly move any more."
    ),
    fix=(
        "for epoch in range(epochs):\n"
        "    for batch in loader:\n"
        "        train(batch)\n"
        "    scheduler.step()  # once for each epoch"
    ),
    source="docs: torch.optim, How to adjust learning rate",
    sure_after=8,
)


FACTOR = 10.0
"""How far a rate must have fallen, by equal factors, where a program was ended after few "
"updates."""

VANISHED = 1000.0
"""How far it must have fallen otherwise."""

SOON = 120
"""Rates that are looked at, of steps of the optimizer and of the scheduler."""


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for learning rates that fell by equal factors, three times or more."""
    last = {event.detail["optimizer"]: event for event in timeline.of(Kind.schedule)}
    for number, event in last.items():
        taken = [e for e in timeline.of(Kind.step) if e.detail["optimizer"] == number]
        seen = _sequence(timeline, number)
        if event.place is None or not _falls(seen, bool(timeline.ended)):
            continue
        steps = [e for e in timeline.of(Kind.schedule) if e.detail["optimizer"] == number]
        yield CHECK.found(
            event.place,
            f"The learning rate fell from {seen[0]:.3g} to {seen[-1]:.3g} within {len(taken)} "
            f"updates:"
            f" {event.name}'s `scheduler.step()` was called {len(steps)} times here, after each "
            f"batch. "
            "At this pace nothing moves any more soon.",
            also=lines((taken[-1] if taken else None, "step")),
            evidence={"first": seen[0], "last": seen[-1], "scheduler_steps": len(steps)},
        )


def _sequence(timeline: Timeline, number: int) -> list[float]:
    """Return the rates that an optimizer had, in order."""
    found = []
    for event in timeline.of(Kind.step, Kind.schedule):
        if event.detail["optimizer"] == number:
            key = "lr" if event.kind is Kind.step else "lr_after"
            if event.detail[key] and isinstance(event.detail[key][0], (int, float)):
                found.append(float(event.detail[key][0]))
    return found


def _falls(rates: list[float], goes_on: bool) -> bool:
    """Say whether rates fell by one factor again and again, and far, while training goes on."""
    rates = rates[:SOON]
    different = [rates[0]] if rates else []
    for rate in rates:
        if rate != different[-1]:
            different.append(rate)
    if len(different) < 4 or min(different) <= 0:
        return False
    factors = [after / before for before, after in pairwise(different)]
    alike = max(factors) < 1 and max(factors) - min(factors) < 0.01
    far = FACTOR if goes_on and len(rates) < SOON else VANISHED
    return alike and different[0] / different[-1] > far
