"""What a report shows: the rows gathered, with what is derived from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradbench.report.difference import known
from gradbench.report.gather import Gathered

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.fleet import Fleet


@dataclass(frozen=True)
class Content:
    """Everything that tables and figures draw from.

    Args:
        cells: Described cells of the blocks shown.
        recommendations: The strategy to use in each block.
        cost_models: Fits of update times over models.
        samples: Counts and spread of samples by cell and phase.
        gradients: Gradients by cell and step.
        observations: What experiments saw; of trials alike, the latest.
        runs: Runs that anything shown comes from.
        notes: What a reader must know of what is and is not here, a sentence each.
        left_out: Number of files that could not be read.
        fleet: All cells summed up, where they are too many to be drawn.
    """

    cells: pd.DataFrame
    recommendations: pd.DataFrame
    cost_models: pd.DataFrame
    samples: pd.DataFrame
    gradients: pd.DataFrame
    observations: pd.DataFrame
    runs: pd.DataFrame
    notes: tuple[str, ...]
    left_out: int = 0
    fleet: Fleet | None = None


def derive(gathered: Gathered) -> Content:
    """Derive what a report shows.

    Args:
        gathered: What was read.

    Returns:
        The content.
    """
    from gradbench.report.blocks import describe_cells, measured
    from gradbench.report.cost_model import fit_cost_models
    from gradbench.report.recommend import recommend

    cells = describe_cells(gathered.cells, gathered.samples)
    right = measured(cells)
    right = right[right["update_s"].map(known).astype(bool) & right["default_zeroing"]]
    return Content(
        cells,
        recommend(cells),
        fit_cost_models(right),
        gathered.samples,
        gathered.gradients,
        _latest_trials(gathered.observations),
        _latest_runs(gathered.runs),
        tuple(_notes(gathered, cells)),
        len(gathered.left_out),
        gathered.fleet,
    )


def _latest_trials(observations: pd.DataFrame) -> pd.DataFrame:
    """Keep, of an experiment's trials that differ in nothing but the run, the latest."""
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
    latest = ordered["run"].groupby([keys[name] for name in named]).transform("last")
    return ordered[ordered["run"] == latest].sort_index()


def _latest_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep the last row of each run and host: a run that was continued has several."""
    if runs.empty:
        return runs
    ordered = runs.sort_values("started_at", kind="stable")
    return ordered.drop_duplicates(["run", "host"], keep="last").reset_index(drop=True)


def _notes(gathered: Gathered, cells: pd.DataFrame) -> list[str]:
    """Say what is missing, superseded, unfinished or contended."""
    notes = [f"Left out: {file}" for file in gathered.left_out]
    if gathered.fleet is not None:
        notes += gathered.fleet.notes()
    if gathered.superseded:
        notes.append(
            f"{gathered.superseded} blocks are not shown, because a later run measured the same; "
            "`gradbench compare` sets runs side by side."
        )
    for run in _latest_runs(gathered.runs).to_dict("records"):
        there = gathered.cells.loc[
            (gathered.cells["run"] == run["run"]) & (gathered.cells["host"] == run["host"]), "block"
        ].nunique()
        if run["state"] != "done":
            asked = int(run["blocks"]) if known(run["blocks"]) else 0
            notes.append(
                f"Run {run['run']} on {run['host']} is {run['state']}: {there} of {asked} blocks "
                "are here."
            )
    contended = cells[cells["contended"].eq(other=True) & (cells["status"] == "ok")]
    if len(contended):
        blocks = contended.drop_duplicates(["run", "host", "block"])
        names = sorted(set(blocks["model_label"] + " · " + blocks["rule"]))
        notes.append(
            f"{len(blocks)} contended, {', '.join(names)}: something else kept the machine "
            "busy, so their figures use disturbed samples too. Measure them again before you "
            "rely on them."
        )
    return notes
