"""A learning rate that loading replaced."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB223",
    title="A chosen learning rate, replaced by the loaded state's",
    severity=Severity.note,
    symptom="wrong",
    why=(
        "A state dict of an optimizer holds the options of its groups as well. Loading "
        "replaces the learning rate that the new optimizer was built with."
    ),
    fix=(
        "optimizer.load_state_dict(state)\n"
        "for group in optimizer.param_groups:\n"
        '    group["lr"] = 0.5  # after loading'
    ),
    atlas=("learning_rate_loaded",),
    source="docs: torch.optim.Optimizer.load_state_dict",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for loaded learning rates that differ from those chosen, and are used."""
    for event in timeline.of(Kind.load):
        if event.name != "optimizer" or event.place is None:
            continue
        before, after = event.detail["lr_before"], event.detail["lr_after"]
        step = next(
            (
                e
                for e in timeline.of(Kind.step)
                if e.index > event.index and e.detail["optimizer"] == event.detail["optimizer"]
            ),
            None,
        )
        if before == after or step is None or step.detail["lr"] != after:
            continue
        yield CHECK.found(
            event.place,
            f"Loading replaced the learning rate {before[0]:g} by {after[0]:g}, and the next step "
            f"uses it.",
            also=lines((step, "step")),
            evidence={"before": before[0], "after": after[0]},
        )
