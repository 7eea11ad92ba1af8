"""Every strategy of the quick sweep under pytest-benchmark, held against gradbench's own figures.

    make benchmark

Each strategy is measured by gradbench in a worker of its own, by pytest-benchmark in this process,
and by gradbench once more: the speed of the machine drifts by the minute, and only what gradbench
saw before and after bounds what pytest-benchmark should see. Two instruments, one quantity: the
medians agree within gradbench's two intervals together plus 10 %.
"""

import tempfile
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
from gradbench.plan import Block, plan_block
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


@pytest.fixture
def measured(
    workers: Workers, composed: Callable[..., Any], tmp_path: Path
) -> Callable[[str, str, str], "pd.Series[Any]"]:
    def measured(model: str, rule: str, strategy: str) -> "pd.Series[Any]":
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        block: Block = plan_block(
            composed(
                "+sweep=quick",
                f"model={model}",
                f"rule={rule}",
                f"strategy=[{strategy}]",
                "measurement.budget_s=2",
                "measurement.training_share=0",
                "measurement.precision=1e-6",
            )
        )
        workers.run(BlockTask(block, Store(folder)), lambda *_: None)
        row = gradbench.load(folder).set_index("cell").loc[f"{strategy}/set_to_none"]
        assert row["status"] == "ok", row["reason"]
        return row

    return measured


def tensors_of(model: str, rule: Any) -> Tensors:
    torch.manual_seed(0)
    module, _ = instantiate(options("model")[model]).build()
    shapes = [parameter.shape for parameter in module.parameters()]
    return Tensors.allocate(shapes, torch.float32, torch.device("cpu"), rule)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("model", "rule"), BLOCKS)
def test_update(
    benchmark: BenchmarkFixture,
    measured: Callable[[str, str, str], "pd.Series[Any]"],
    model: str,
    rule: str,
    strategy: str,
) -> None:
    made = make("rule", rule)
    step, release = bind_with_gradients(
        make("strategy", strategy), make("zeroing", "set_to_none"), made, tensors_of(model, made)
    )
    benchmark.group = f"{model} · {rule}"
    # What `gradbench compare` matches a file of pytest-benchmark with cells by.
    benchmark.extra_info.update(
        zeroing="set_to_none",
        dtype="float32",
        device="cpu",
        threads=torch.get_num_threads(),
        torch_version=str(torch.__version__),
    )
    before = measured(model, rule, strategy)
    benchmark(step)
    after = measured(model, rule, strategy)
    release()
    seen = benchmark.stats.stats.median  # type: ignore[union-attr]
    low = min(before["update_s_low"], after["update_s_low"]) / MARGIN
    high = max(before["update_s_high"], after["update_s_high"]) * MARGIN
    assert low <= seen <= high, f"pytest-benchmark {seen:.3g} s, gradbench {low:.3g} – {high:.3g} s"
