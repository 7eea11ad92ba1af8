"""Every strategy of the quick sweep under pytest-benchmark, held against gradbench's own figures.

    make benchmark

The block is measured by gradbench first, in a worker of its own, then each strategy by
pytest-benchmark in this process. Two instruments, one quantity: the medians agree within
gradbench's interval plus 10 %.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytest_benchmark.fixture import BenchmarkFixture

import gradbench
from gradbench.block_task import BlockTask
from gradbench.config import configuration_folder
from gradbench.measure.isolated import bind_with_gradients
from gradbench.measure.tensors import Tensors
from gradbench.plan import Block
from gradbench.results.store import Store
from gradbench.worker import Workers
from tests.conftest import make, options

MARGIN = 1.10
QUICK: Any = OmegaConf.load(configuration_folder() / "sweep" / "quick.yaml")
STRATEGIES = next(
    list(entry["override /strategy"]) for entry in QUICK.defaults if "override /strategy" in entry
)
BLOCKS = [
    (model, rule)
    for model in QUICK.hydra.sweeper.params.model.split(",")
    for rule in QUICK.hydra.sweeper.params.rule.split(",")
]


@pytest.fixture(scope="module")
def workers() -> Workers:
    return Workers()


@pytest.fixture(scope="module")
def cells_of(
    workers: Workers, composed: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], pd.DataFrame]:
    from gradbench.plan import plan_block

    known: dict[tuple[str, str], pd.DataFrame] = {}

    def cells_of(model: str, rule: str) -> pd.DataFrame:
        if (model, rule) not in known:
            folder: Path = tmp_path_factory.mktemp("results")
            block: Block = plan_block(composed("+sweep=quick", f"model={model}", f"rule={rule}"))
            workers.run(BlockTask(block, Store(folder)), lambda *_: None)
            known[model, rule] = gradbench.load(folder).set_index("cell")
        return known[model, rule]

    return cells_of


def tensors_of(model: str, rule: Any) -> Tensors:
    torch.manual_seed(0)
    module, _ = instantiate(options("model")[model]).build()
    shapes = [parameter.shape for parameter in module.parameters()]
    return Tensors.allocate(shapes, torch.float32, torch.device("cpu"), rule)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("model", "rule"), BLOCKS)
def test_update(
    benchmark: BenchmarkFixture,
    cells_of: Callable[[str, str], pd.DataFrame],
    model: str,
    rule: str,
    strategy: str,
) -> None:
    row = cells_of(model, rule).loc[f"{strategy}/set_to_none"]
    assert row["status"] == "ok", row["reason"]
    made = make("rule", rule)
    step, release = bind_with_gradients(
        make("strategy", strategy), make("zeroing", "set_to_none"), made, tensors_of(model, made)
    )
    benchmark.group = f"{model} · {rule}"
    benchmark(step)
    release()
    seen = benchmark.stats.stats.median  # type: ignore[union-attr]
    low, high = row["update_s_low"] / MARGIN, row["update_s_high"] * MARGIN
    assert low <= seen <= high, f"pytest-benchmark {seen:.3g} s, gradbench {low:.3g} – {high:.3g} s"
