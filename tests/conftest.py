"""What tests share: composing a configuration, planning a block, small tensors, two GPUs."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from gradbench.devices.base import Device
from gradbench.request.block import Block
from gradbench.request.plan import plan_block
from gradbench.request.schema import Config, configuration_folder
from gradbench.rules.base import Rule
from gradbench.verify.tensors import Tensors
from gradbench.verify.verifiable import Verifiable
from gradbench.verify.whole_verifiable import verifiable

Compose = Callable[..., DictConfig]
Commands = Callable[..., None]
CPU = torch.device("cpu")
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
        ],
    ),
]
"""Parameters for what PyTorch does on a device: ``-m cuda`` selects those of CUDA."""
CUDA_ONLY = DEVICES[1:]

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


def torch_device(name: str) -> torch.device:
    """The device by gradbench's name, as gradbench gives it to PyTorch: CUDA's with its index."""
    return make("device", name).torch_device  # type: ignore[no-any-return]


def allocate(
    rule: Rule,
    dtype: torch.dtype = torch.float32,
    device: torch.device = CPU,
    updates: int = 2,
    seed: int = 0,
) -> Verifiable:
    torch.manual_seed(seed)
    return verifiable(Tensors.allocate(SHAPES, dtype, device, rule), rule, updates)


# Of a module's scope, so that fixtures that observe a whole experiment can ask for it.
@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    chosen = torch_device(request.param)
    if chosen.type == "cuda":  # the first call of cuBLAS in autograd's thread may warn
        weight = torch.ones(2, 2, device=chosen, requires_grad=True)
        (weight @ weight).sum().backward()
    return chosen


@pytest.fixture
def hardware(device: torch.device) -> Device:
    """What gradbench measures the device with."""
    made: Device = make("device", device.type)
    assert made.unavailable() is None
    return made


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
    "measurement.noise=inf",
    "measurement.product_rounds=1",
)
"""Overrides for a block of a second."""

FACTORIES = Path(__file__).parent / "factories"
"""A folder of modules for ``model.factory``."""


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a stand-in for nvidia-ml-py first, for this process and for those it starts."""
    folder = Path(__file__).with_name("two_gpus")
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Write shell scripts, by name, and put them first on the PATH."""

    def commands(**scripts: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, script in scripts.items():
            file = folder / name.replace("_", "-")
            file.write_text(f"#!/bin/sh\n{script}\n")
            file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return commands
