"""A state dict of which no name fits the module."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB224",
    title="`load_state_dict(strict=False)` that loaded nothing",
    severity=Severity.error,
    symptom="lost",
    why=(
        "With strict=False names that do not fit are passed over, and nothing is raised. "
        "Where none fits, such as after DataParallel or torch.compile put a prefix before "
        "each, the model keeps its random weights."
    ),
    fix=(
        'nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")\n'
        "model.load_state_dict(state)  # strict"
    ),
    atlas=("loaded_nothing",),
    source="docs: torch.nn.Module.load_state_dict",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for loads of a module in which no name matched."""
    for event in timeline.of(Kind.load):
        detail = event.detail
        if event.name != "module" or event.place is None or detail["strict"]:
            continue
        if detail["matched"] or not detail["wanted"] or not detail["given"]:
            continue
        given = ", ".join(detail["unexpected"][:2])
        wanted = ", ".join(detail["missing"][:2])
        yield CHECK.found(
            event.place,
            f"None of the {detail['given']} names of the state dict ({given}, …) is one of the "
            f"{detail['wanted']} of the {detail['module']} ({wanted}, …): nothing was loaded, and "
            "`strict=False` kept silent.",
            parameters=detail["missing"],
            evidence={"given": detail["given"], "wanted": detail["wanted"], "matched": 0},
        )
