"""Every strategy of the quick sweep under pytest-benchmark, held against gradbench's own figures.

    make benchmark

The speed of a shared machine drifts by the minute, so the two instruments take turns: gradbench
measures the block in a worker, pytest-benchmark its rounds in this process on memory of its own,
and so on. A turn is a ratio of two medians; the interval of the median ratio must come within 10 %
of one.
"""

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import quantile_test

import gradbench
from gradbench.block.task import BlockTask
from gradbench.request.plan import plan_block
from gradbench.request.schema import configuration_folder
from gradbench.results.store import Store
from gradbench.sweep.worker import Workers
from gradbench.timing.binding import bind_with_gradients
from gradbench.verify.tensors import Tensors
from tests.conftest import make, options

MARGIN = 1.10
TURNS = 9
"""The exact 95 % interval of their median leaves out the lowest and the highest."""
TURN_S = 0.3
WARM_UP = 20
"""Calls without a time at the start of a turn, on memory nobody has touched."""
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
) -> Callable[[str, str, str], float]:
    def measured(model: str, rule: str, strategy: str) -> float:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        block = plan_block(
            composed(
                "+sweep=quick",
                f"model={model}",
                f"rule={rule}",
                f"strategy=[{strategy}]",
                f"measurement.budget_s={TURN_S}",
                "measurement.training_share=0",
                "measurement.precision=1e-6",
            )
        )
        workers.run(BlockTask(block, Store(folder)), lambda *_: None)
        row = gradbench.load(folder).set_index("cell").loc[f"{strategy}/set_to_none"]
        assert row["status"] == "ok", row["reason"]
        return float(row["update_s"])

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
    measured: Callable[[str, str, str], float],
    model: str,
    rule: str,
    strategy: str,
) -> None:
    benchmark.group = f"{model} · {rule}"
    # What `gradbench compare` matches a file of pytest-benchmark with cells by.
    benchmark.extra_info.update(
        zeroing="set_to_none",
        dtype="float32",
        device="cpu",
        threads=torch.get_num_threads(),
        torch_version=str(torch.__version__),
    )
    made = make("rule", rule)
    ours = [measured(model, rule, strategy)]
    rounds = int(np.clip(TURN_S / ours[0], WARM_UP, 3000))
    number = itertools.count()
    bound: list[tuple[Callable[[], None], Callable[[], None]]] = []

    def step_of_turn() -> tuple[tuple[Callable[[], None]], dict[str, Any]]:
        turn, round_ = divmod(next(number), rounds)
        if round_ == 0:
            if turn:
                bound.pop()[1]()
                ours.append(measured(model, rule, strategy))
            bound.append(
                bind_with_gradients(
                    make("strategy", strategy),
                    make("zeroing", "set_to_none"),
                    made,
                    tensors_of(model, made),
                )
            )
            for _ in range(WARM_UP):
                bound[0][0]()
        return (bound[0][0],), {}

    benchmark.pedantic(lambda step: step(), setup=step_of_turn, rounds=TURNS * rounds)
    bound.pop()[1]()
    theirs = np.median(np.reshape(benchmark.stats.stats.data, (TURNS, rounds)), axis=1)  # type: ignore[union-attr]
    ratios = theirs / np.array(ours)
    interval = quantile_test(ratios, p=0.5).confidence_interval(0.95)
    benchmark.extra_info["ratio_to_gradbench"] = float(np.median(ratios))
    said = f"pytest-benchmark's medians over gradbench's, turn by turn: {ratios.round(2)}"
    assert interval.low <= MARGIN, said
    assert interval.high >= 1 / MARGIN, said
