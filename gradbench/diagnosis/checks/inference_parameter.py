"""A parameter that was made in inference mode."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import switched_off
from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.lost import missed_leaves, passes_of, said_of
from gradbench.diagnosis.origin import makers
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB119",
    title="A parameter made in inference mode",
    severity=Severity.error,
    symptom="none",
    why=(
        "What is made within `torch.inference_mode` is an inference tensor for ever. Autograd "
        "tracks no view of it, and `linear` transposes its weight: the gradient is lost without a "
        "word."
    ),
    fix="model = nn.Linear(2, 1)  # outside of inference_mode",
    atlas=("inference_parameter",),
    source="docs: notes/autograd, Inference Mode",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves without a gradient that were made in inference mode."""
    found: dict[Place, tuple[list[int], Event]] = {}
    for leaf in missed_leaves(timeline):
        for made in makers(timeline).get(leaf, ()):
            if made.kind not in (Kind.parameter, Kind.op) or made.grad_mode or made.place is None:
                continue
            switch = switched_off(timeline, made)
            if switch is not None and switch.name == "inference_mode":
                found.setdefault(made.place, ([], switch))[0].append(leaf)
            break
    for place, (leaves, switch) in found.items():
        also = (Also(switch.place, "inference mode begins"),) if switch.place is not None else ()
        yield CHECK.found(
            place,
            f"{said_of(timeline, tuple(leaves), passes_of(timeline))}: it was made within "
            "`torch.inference_mode`.",
            parameters=timeline.names(leaves),
            also=also,
            evidence={"parameters": len(leaves), "gradients_received": 0},
        )
