import math

import pandas as pd
import pyarrow as pa
import pytest

from gradbench.report.blocks import describe_cells
from gradbench.report.cost_model import CostModels, fit_cost_models
from gradbench.results.schema import arrow_schema
from tests.predict.planted import COSTS, MODELS, cells, planted


def fitted(rows: pd.DataFrame) -> CostModels:
    stored = pa.Table.from_pandas(rows, arrow_schema("cells"), preserve_index=False).to_pandas()
    return fit_cost_models(describe_cells(stored, pd.DataFrame()))


def test_planted_costs_are_found_and_every_cell_predicted() -> None:
    models = fitted(cells())
    [ranking] = models.rankings
    assert models.devices == ("Chip",)
    found = ranking.rows.set_index("strategy")
    for strategy, (start, tensor, passes) in COSTS.items():
        assert found.loc[strategy, "start_s"] == pytest.approx(start, rel=0.05)
        assert found.loc[strategy, "tensor_s"] == pytest.approx(tensor, rel=0.05)
        assert found.loc[strategy, "passes"] == pytest.approx(passes, rel=0.05)
    assert len(models.predictions) == len(COSTS) * len(MODELS)
    for row in models.predictions.to_dict("records"):
        measured = planted(COSTS[row["cell"].split("/")[0]], *MODELS[row["block"]])
        assert row["predicted_s"] == pytest.approx(measured, rel=0.05)
        assert row["predicted_low"] <= row["predicted_s"] <= row["predicted_high"]


def test_the_crossover_is_found_between_its_strategies() -> None:
    [ranking] = fitted(cells()).rankings
    (change,) = ranking.by_tensors
    assert {change.below, change.above} == set(COSTS)
    assert ranking.tensors == 11
    assert ranking.parameters == 370_000


def test_a_model_off_the_line_is_named_as_the_worst() -> None:
    off = fitted(cells(noise=lambda s, m: 2.0 if (s, m) == ("flat", "conv") else 1.0))
    rows = off.rankings[0].rows.set_index("strategy")
    assert rows.loc["flat", "worst_model"] == "conv"
    assert abs(rows.loc["flat", "worst_residual"]) > 0.3 > abs(rows.loc["fused", "worst_residual"])


def test_few_models_have_no_fit_and_older_files_no_dispatch() -> None:
    few = fitted(cells(models=dict(list(MODELS.items())[:3])))
    assert few.rankings == ()
    assert few.predictions.empty
    older = fitted(cells(without_bytes=False))
    assert len(older.rankings) == 1
    assert not math.isnan(older.predictions["predicted_s"].sum())
