"""What tests share: composing a configuration, planning a block, and small tensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from gradbench.config import Config, configuration_folder
from gradbench.measure.tensors import Tensors, Verifiable
from gradbench.plan import Block, plan_block
from gradbench.rules.base import Rule

Compose = Callable[..., DictConfig]
SHAPES = [torch.Size(shape) for shape in ((64, 32), (32,), (1,), (3, 5, 2), ())]


def options(group: str) -> dict[str, Any]:
    """Read a group's options from its files: name → node without what is Hydra's or ours."""
    found: dict[str, Any] = {}
    for file in sorted((configuration_folder() / group).glob("*.yaml")):
        if file.stem == "all":
            continue
        node = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
        assert isinstance(node, dict)
        if "_target_" in node:
            dropped = ("name", "defaults")
            found[file.stem] = {str(k): v for k, v in node.items() if k not in dropped}
        else:
            found |= {str(name): option for name, option in node.items()}
    return found


def make(group: str, name: str) -> Any:
    return instantiate(options(group)[name])


def allocate(rule: Rule, dtype: torch.dtype = torch.float32) -> Verifiable:
    torch.manual_seed(0)
    return Verifiable(Tensors.allocate(SHAPES, dtype, torch.device("cpu"), rule))


@pytest.fixture(scope="session")
def composed() -> Compose:
    ConfigStore.instance().store(name="schema", node=Config)

    def composed(*overrides: str) -> DictConfig:
        # Each time anew: Hydra's global state must be free for the commands that tests run.
        with initialize_config_dir(str(configuration_folder()), version_base="1.3"):
            return compose("config", ["run=test", *overrides])

    return composed


@pytest.fixture
def plan(composed: Compose) -> Callable[..., Block]:
    return lambda *overrides: plan_block(composed(*overrides))


TINY = (
    "model=linear",
    "measurement=quick",
    "measurement.budget_s=0.2",
    "measurement.replicates=2",
    "measurement.min_replicates=2",
    "measurement.training_steps=1",
    "measurement.sample_s=1e-4",
    "measurement.product_rounds=1",
)
"""Overrides for a block of a second."""

FACTORIES = Path(__file__).parent / "factories"
"""A folder of modules for ``model.factory``."""
