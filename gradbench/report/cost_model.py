"""The project's one cost model, :mod:`gradbench.predict`, of the blocks that a report shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradbench.errors import BadRequest
from gradbench.statistics.verdicts import MARGIN, known

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.predict.evidence import Evidence
    from gradbench.predict.prediction import Ranking

_PREDICTED = ("run", "host", "block", "cell")


@dataclass(frozen=True)
class CostModels:
    """What the cost model says.

    Args:
        rankings: One for each device and rule with enough models, of a model of median size; its
            rows hold the fits, with the strategies that are nowhere wrong.
        devices: The device's name in each.
        predictions: ``predicted_s``, ``predicted_low`` and ``predicted_high`` of the cells that
            the fits rest on, by run, host, block and cell.
    """

    rankings: tuple[Ranking, ...]
    devices: tuple[str, ...]
    predictions: pd.DataFrame


def fit_cost_models(cells: pd.DataFrame, margin: float = MARGIN) -> CostModels:
    """Fit the cost of every strategy, over the models measured under the same circumstances.

    Args:
        cells: Described cells, the controls among them.
        margin: Smallest relative difference of two times that matters.

    Returns:
        The fits; none where there are too few models.
    """
    import pandas as pd

    from gradbench.predict.evidence import gather_evidence
    from gradbench.predict.prediction import rank

    rankings, devices, predicted = [], [], []
    # The described cells say whether a zeroing is the default, the evidence which one is.
    for evidence in gather_evidence(cells.drop(columns="default_zeroing")):
        try:
            ranking = rank(evidence, *_middle(evidence), margin)
        except BadRequest:  # too few models
            continue
        mine = _cells_of(evidence, cells)
        rankings.append(ranking)
        devices.append(str(mine["device_label"].iloc[0]))
        predicted += _predictions(evidence, mine, set(ranking.rows["strategy"]))
    columns = [*_PREDICTED, "predicted_s", "predicted_low", "predicted_high"]
    return CostModels(tuple(rankings), tuple(devices), pd.DataFrame(predicted, columns=columns))


def _middle(evidence: Evidence) -> tuple[int, int]:
    """Return the median tensors and parameters of the models measured."""
    rows = evidence.measurements
    models = rows[rows["kind"] == "update"].drop_duplicates("size")
    tensors = round(float(models["tensors"].median()))
    parameters = round(float(models["bytes"].median() / evidence.bytes_per_parameter))
    return tensors, max(tensors, parameters)


def _cells_of(evidence: Evidence, cells: pd.DataFrame) -> pd.DataFrame:
    """Select the cells that some evidence was gathered from."""
    mine = cells[cells["role"].isin(["baseline", "candidate"]) & cells["default_zeroing"]]
    for name, value in evidence.circumstances.items():
        missing = value is None or value != value
        mine = mine[mine[name].isna() if missing else mine[name] == value]
    return mine


def _predictions(
    evidence: Evidence, cells: pd.DataFrame, strategies: set[str]
) -> list[dict[str, Any]]:
    """Predict the time of each cell by its strategy's fit."""
    from gradbench.predict.fit import fit_cost

    fits = {strategy: fit_cost(evidence, strategy) for strategy in strategies}
    rows = []
    for row in cells[cells["status"] == "ok"].to_dict("records"):
        fit = fits.get(row["strategy"])
        if fit is None or not known(row["traffic_bytes"]) or not known(row["update_s"]):
            continue
        found = fit.predict(row["tensors"], float(evidence.memory.seconds(row["traffic_bytes"])))
        rows.append(
            {
                **{name: row[name] for name in _PREDICTED},
                "predicted_s": found.seconds,
                "predicted_low": found.low,
                "predicted_high": found.high,
            }
        )
    return rows
