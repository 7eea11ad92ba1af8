"""What a report shows: the rows gathered, with what is derived from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradbench.report.cost_model import CostModels, fit_cost_models
from gradbench.report.gather import Gathered
from gradbench.results.apart import apart_lines
from gradbench.results.status import TIMED
from gradbench.statistics.verdicts import MARGIN, known
from gradbench.terminal.resolution import lost_updates, resolution

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.fleet import Fleet
    from gradbench.report.twins import Twins

_NAMED = 8
"""Contended blocks that a note names."""


@dataclass(frozen=True)
class Content:
    """Everything that tables and figures draw from.

    Args:
        cells: Described cells of the blocks shown.
        recommendations: The strategy to use in each block.
        cost_models: What the cost model says of update times over models.
        calibrations: Rows of ``calibrations`` of the stated method, the last of each machine.
        twins: How often identical code was called different, by machine.
        samples: Counts and spread of samples by cell and phase.
        gradients: Gradients by cell and step.
        observations: What experiments saw; of trials alike, the latest.
        runs: Runs that anything shown comes from.
        notes: What a reader must know of what is and is not here, a sentence each.
        left_out: Number of files that could not be read.
        fleet: All cells summed up, where they are too many to be drawn.
        margin: Smallest relative difference of two times that matters.
    """

    cells: pd.DataFrame
    recommendations: pd.DataFrame
    cost_models: CostModels
    calibrations: pd.DataFrame
    twins: tuple[Twins, ...]
    samples: pd.DataFrame
    gradients: pd.DataFrame
    observations: pd.DataFrame
    runs: pd.DataFrame
    notes: tuple[str, ...]
    left_out: int = 0
    fleet: Fleet | None = None
    margin: float = MARGIN


def derive(gathered: Gathered, margin: float = MARGIN) -> Content:
    """Derive what a report shows.

    Args:
        gathered: What was read.
        margin: Smallest relative difference of two times that matters.

    Returns:
        The content.
    """
    from gradbench.report.blocks import describe_cells
    from gradbench.report.recommend import recommend
    from gradbench.report.twins import judge_twins
    from gradbench.results.learning_rates import with_learning_rates

    known_rates = with_learning_rates(gathered.cells, gathered.runs)
    cells = describe_cells(known_rates, gathered.samples, margin)
    return Content(
        cells,
        recommend(cells, gathered.runs, margin),
        fit_cost_models(cells, margin),
        gathered.calibrations,
        tuple(judge_twins(cells, gathered.twins, margin)),
        gathered.samples,
        gathered.gradients,
        _latest_trials(gathered.observations),
        _latest_runs(gathered.runs),
        tuple(_notes(gathered, cells)),
        len(gathered.left_out),
        gathered.fleet,
        margin,
    )


def _latest_trials(observations: pd.DataFrame) -> pd.DataFrame:
    """Keep, of an experiment's trials that differ in run and gradbench alone, the latest."""
    if observations.empty:
        return observations
    named = [
        name
        for name in ("experiment", "device", "device_name", "host", "torch_version")
        if name in observations
    ]
    ordered = observations
    if "recorded_at" in observations:
        ordered = observations.sort_values("recorded_at", kind="stable")
    keys = ordered[named].astype("string").fillna("")
    told = [name for name in ("run", "gradbench_version") if name in ordered]
    trial = ordered[told].astype("string").fillna("").agg("\n".join, axis=1)
    latest = trial.groupby([keys[name] for name in named]).transform("last")
    return ordered[trial == latest].sort_index()


def _latest_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep the last row of each run and host: a run that was continued has several."""
    if runs.empty:
        return runs
    ordered = runs.sort_values("started_at", kind="stable")
    return ordered.drop_duplicates(["run", "host"], keep="last").reset_index(drop=True)


def _notes(gathered: Gathered, cells: pd.DataFrame) -> list[str]:
    """Say what is missing, pooled, unfinished, contended or measured with processors apart."""
    notes = [f"Left out: {file}" for file in gathered.left_out]
    if gathered.fleet is not None:
        notes += gathered.fleet.notes()
    if gathered.pooled.together:
        notes.append(
            f"{gathered.pooled.together} blocks measured what another run did as well: their cells "
            "are pooled, and `runs` says of how many; `gradbench compare` sets runs side by side."
        )
    blocks = gathered.pooled.blocks
    for run in _latest_runs(gathered.runs).to_dict("records"):
        own = blocks[(blocks["run"] == run["run"]) & (blocks["host"] == run["host"])]
        there = own["block"].nunique()
        if run["state"] != "done":
            asked = int(run["blocks"]) if known(run["blocks"]) else 0
            notes.append(
                f"Run {run['run']} on {run['host']} is {run['state']}: {there} of {asked} blocks "
                "are here."
            )
    return [*notes, *_lost(cells), *_contended(cells), *apart_lines(cells)]


def _lost(cells: pd.DataFrame) -> list[str]:
    """Name the blocks whose updates are lost in their dtype."""
    losing = cells[cells["lost_fraction"] > 0]
    lines = []
    for _, block in losing.groupby(["panel", "rule", "run", "host", "block"], sort=True):
        words = lost_updates(resolution(block))
        if words is not None:
            lines.append(f"{block['panel'].iloc[0]} · {block['rule'].iloc[0]}: {words}.")
    return lines[:_NAMED] + [f"The same holds for {len(lines) - _NAMED} more."] * (
        len(lines) > _NAMED
    )


def _contended(cells: pd.DataFrame) -> list[str]:
    """Name the blocks that were measured on a busy machine, by what kept it busy."""
    blocks = cells[(cells["clock"] == "contended") & cells["status"].isin(TIMED)]
    blocks = blocks.drop_duplicates(["run", "host", "block"])
    if blocks.empty:
        return []
    shown = [
        f"{row['panel']} · {row['rule']} ({row['contention_text']})"
        for row in blocks.sort_values(["panel", "rule"]).to_dict("records")
    ]
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return [
        f"{len(shown)} contended, measured on a busy machine: {', '.join(shown[:_NAMED])}{more}. "
        "Measure them again before you rely on them."
    ]
