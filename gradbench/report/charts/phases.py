"""Phases of a training step, stacked, by zeroing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from gradbench.report.blocks import measured
from gradbench.report.charts.figure import (
    BASELINE,
    COLORS,
    EVERY_ZEROING,
    POSITION,
    SECONDS,
    Figure,
    facet,
    records,
    tooltip,
)
from gradbench.results.status import TIMED
from gradbench.terminal import figures as text
from gradbench.terminal.steps import step_text

if TYPE_CHECKING:
    from gradbench.report.content import Content

PHASES = {
    "forward": "forward_s",
    "backward": "backward_s",
    "update": "training_update_s",
    "zero": "training_zero_s",
}
"""Phases of a training step in their order, and their columns."""


def draw(content: Content) -> Figure | None:
    """Draw the phases of the training steps.

    Args:
        content: What the report shows.

    Returns:
        A panel per model and rule; None where no phase has a clean sample.
    """
    cells = measured(content.cells, TIMED)
    cells = cells[cells[[*PHASES.values()]].notna().all(axis=1)]
    if cells.empty:
        return None
    shown = cells.assign(panel=cells["panel"] + " · " + cells["rule"])
    frame = pd.concat(
        [_phase(shown, order, phase, content.samples) for order, phase in enumerate(PHASES)],
        ignore_index=True,
    )
    bars = (
        alt.Chart()
        .mark_bar(height=alt.RelativeBandSize(0.7))
        .encode(
            x=alt.X("seconds:Q", stack="zero", axis=SECONDS),
            y=alt.Y("zeroing:N", title=None),
            color=alt.Color(
                "phase:N",
                title="phase",
                sort=list(PHASES),
                scale=alt.Scale(domain=list(PHASES), range=["#9aa3b2", *COLORS[:3]]),
            ),
            order="order:Q",
            tooltip=tooltip(
                phase="phase",
                strategy="strategy",
                zeroing="zeroing",
                model="model",
                rule="rule",
                device="device",
                seconds_text="median",
                middle_half="middle half",
                samples_text="counted",
                step_text="whole step",
                clock="block",
            ),
        )
    )
    filters = ("device", "model", "rule", "strategy", "zeroing")
    chart = facet(
        bars.properties(width=230, height=alt.Step(15, **POSITION)),
        frame,
        "panel",
        filters,
        4,
        strategy=BASELINE,
        zeroing=EVERY_ZEROING,
    )
    return Figure(
        "phases",
        "A training step, phase by phase",
        "Median time of forward, backward, update and zeroing, by zeroing, in training steps that "
        "wait for the device after each phase. Setting gradients to None moves cost into backward, "
        "which then allocates them anew. On a GPU, where a real step does not wait, the bar is "
        "longer than the step: judge by the whole step, in the table of zeroings. Without a chosen "
        "strategy, the baseline's.",
        chart.resolve_scale(x="independent", y="independent"),
        250,
        filters,
    )


def _phase(cells: pd.DataFrame, order: int, phase: str, samples: pd.DataFrame) -> pd.DataFrame:
    """Take one phase of every cell, with the spread of its samples where they are there."""
    frame = records(cells, "baseline_strategy", "clock").assign(
        order=order,
        phase=phase,
        seconds=cells[PHASES[phase]].to_numpy(),
        step_text=[step_text(row) for row in cells.to_dict("records")],
    )
    keys = ["run", "host", "block", "cell"]
    taken = samples[(samples["protocol"] == "training") & (samples["phase"] == phase)]
    spread = cells[keys].merge(taken.drop_duplicates(keys), on=keys, how="left")
    frame["seconds_text"] = frame["seconds"].map(text.seconds)
    frame["middle_half"] = [
        text.seconds_interval(low, high)
        for low, high in zip(spread["quarter_s"], spread["three_quarters_s"], strict=True)
    ]
    frame["samples_text"] = [f"{text.count(number)} samples" for number in spread["clean"]]
    return frame
