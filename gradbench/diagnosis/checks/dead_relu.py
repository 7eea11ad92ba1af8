"""A layer whose ReLU lets nothing through."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.ancestry import maker
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Kind, Timeline
from gradbench.diagnosis.vanishing import Vanished, vanished

CHECK = Check(
    id="GB411",
    title="A dead ReLU",
    severity=Severity.warning,
    symptom="zero",
    why=(
        "Below zero a ReLU passes no gradient. Where all inputs of all units are there, as after "
        "a bias far below zero or a step that was too large, the layer gets zeros and learns no "
        "more."
    ),
    fix="nn.init.zeros_(layer.bias)  # start where it is alive; or nn.LeakyReLU(), nn.GELU()",
    atlas=("dead_relu",),
    source="docs: torch.nn.LeakyReLU",
    sure_after=3,
)

_RELUS = ("relu", "relu_", "threshold", "threshold_", "relu6", "hardswish", "hardtanh", "hardtanh_")
_BETWEEN = (
    "batch_norm", "layer_norm", "group_norm", "instance_norm", "dropout", "view", "reshape",
    "flatten", "unsqueeze", "squeeze", "add", "permute", "transpose", "rms_norm",
)  # fmt: skip
_LAYERS = (
    "linear", "conv1d", "conv2d", "conv3d", "addmm", "matmul", "mm", "bmm", "baddbmm", "bilinear",
    "conv_transpose1d", "conv_transpose2d", "__matmul__", "__rmatmul__",
)  # fmt: skip


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for a ReLU that made zeros of all gradients, and a layer before it that got zeros."""
    passes = len(timeline.of(Kind.backward))
    for found in vanished(timeline):
        if found.name not in _RELUS:
            continue
        if not found.sure and found.passes < passes:
            continue
        layer = _layer(timeline, found)
        if not layer:
            continue
        names = timeline.names(layer) or (timeline.name(layer[0]),)
        yield CHECK.found(
            found.place,
            f"`{found.name}` passes no gradient here in any of {found.passes} backward passes: "
            f"each of its inputs is below zero (a dead ReLU); {', '.join(names[:2])} get zeros.",
            parameters=names,
            also=found.also,
            evidence=found.evidence,
        )


def _layer(timeline: Timeline, found: Vanished) -> tuple[int, ...]:
    """Return the parameters of the layer whose result goes into the ReLU, if they got zeros."""
    operator = found.first.detail["operator"]
    number = (found.first.inputs or found.first.outputs)[0]
    before = operator
    for _ in range(6):
        event = maker(timeline, number, before)
        if event is None:
            return ()
        zero = tuple(n for n in event.inputs if n in found.leaves)
        if zero and event.name in (*_LAYERS, *_BETWEEN):
            return zero
        if event.name not in (*_BETWEEN, *_RELUS) or not event.live:
            return ()
        before, number = event.index, event.live[0]
    return ()
