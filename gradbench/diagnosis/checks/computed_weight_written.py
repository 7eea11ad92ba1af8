"""A write into a weight that is computed from other parameters."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB238",
    title="A parametrized or pruned weight written by hand",
    severity=Severity.error,
    symptom="lost",
    why=(
        "The weight of a parametrized or pruned layer is computed from its original "
        "parameters each time, and what is written into the result is gone at the next "
        "forward."
    ),
    fix=(
        "with torch.no_grad():\n"
        "    layer.weight = layer.weight + 1  # assign: parametrizations invert it\n"
        "    layer.weight_orig.fill_(5)  # pruned layers"
    ),
    atlas=("computed_weight_written", "pruned_weight_written"),
    source="docs: torch.nn.utils.parametrize",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for writes by the program into what a parametrization or pruning computed."""
    computed: dict[int, str] = {}
    told: set[object] = set()
    for event in timeline.events:
        if event.kind is Kind.op:
            if event.api.endswith("parametrize.get_parametrized"):
                if any(_is_parameter(timeline, n) for n in event.inputs):
                    computed.update(
                        (n, "parametrized") for n in event.outputs if not _is_parameter(timeline, n)
                    )
            elif event.name in ("data", "detach") and event.inputs[0] in computed:
                computed[event.outputs[0]] = computed[event.inputs[0]]
        elif event.kind is Kind.assign:
            # Hooks of pruning put the product with the mask where the weight was.
            if event.detail["what"] == "tensor" and event.api and not event.detail["leaf"]:
                computed.update(
                    (n, "pruned") for n in event.outputs if not _is_parameter(timeline, n)
                )
        elif event.kind is Kind.write and not event.api.startswith("torch.nn.utils"):
            number = event.outputs[0] if event.outputs else -1
            if number not in computed or event.place in told or event.place is None:
                continue
            if event.detail.get("leaves") or event.detail.get("gradients_of"):
                continue
            told.add(event.place)
            pruned = computed[number] == "pruned"
            name = (event.api or event.name).rpartition(".")[2]
            yield CHECK.found(
                event.place,
                f"`{name}` writes into a weight that is {computed[number]}: it is computed anew "
                f"from "
                "the original before the next use, and what was written is lost.",
                parameters=timeline.names([number]),
                evidence={"shape": str(timeline.tensors[number].shape)},
                atlas=CHECK.atlas[pruned],
            )


def _is_parameter(timeline: Timeline, number: int) -> bool:
    tensor = timeline.tensors.get(number)
    return tensor is not None and tensor.role == "parameter"
