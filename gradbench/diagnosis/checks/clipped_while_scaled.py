"""Gradients clipped before a GradScaler has unscaled them."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named, often
from gradbench.diagnosis.scaled import Scaled, scaled_gradients
from gradbench.diagnosis.timeline import Event, Timeline

CHECK = Check(
    id="GB311",
    title="Clipping before `scaler.unscale_`",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "Until `scaler.unscale_(optimizer)` the gradients carry the scale of the GradScaler. A "
        "limit on the scaled norm leaves nearly nothing of them once they are unscaled."
    ),
    fix=(
        "scaler.scale(loss).backward()\nscaler.unscale_(optimizer)\n"
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\nscaler.step(optimizer)"
    ),
    atlas=("clipped_while_scaled",),
    source="docs: notes/amp_examples, Working with Unscaled Gradients",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for clips of gradients that were still scaled."""
    groups: dict[Place, dict[Event, list[Scaled]]] = {}
    for scaled in scaled_gradients(timeline):
        for clip in scaled.clips:
            before = any(each.index < clip.index for each in scaled.written)
            if clip.place is None or clip.detail["limit"] == float("inf") or before:
                continue
            if scaled.asked and clip.detail["limit"] is None:
                continue
            groups.setdefault(clip.place, {}).setdefault(clip, []).append(scaled)
    for place, clips in groups.items():
        clip, group = next(iter(clips.items()))
        leaves = [each.leaf for each in group]
        if any(each.asked for each in group):
            # A limit times the scale is right, too.
            continue
        yield CHECK.found(
            place,
            f"`{clip.name}` clips the gradients of {named(timeline, leaves)} while they are still "
            f"scaled by {group[0].scale:g}, {often(len(clips))}: `scaler.unscale_` comes later. "
            + (
                f"The scaled norm was {clip.detail['norm']:.4g}, the limit "
                f"{clip.detail['limit']:g}."
                if clip.detail["norm"] is not None and clip.detail["limit"] is not None
                else ""
            ),
            parameters=timeline.names(leaves),
            also=lines((group[0].backward, "backward of the scaled loss")),
            evidence={
                "scale": group[0].scale,
                "norm": clip.detail["norm"],
                "limit": clip.detail["limit"],
                "times": len(clips),
            },
        )
