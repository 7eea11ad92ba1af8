import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra.utils import get_class
from omegaconf import OmegaConf

from gradbench.block.axes import instantiate_axes
from gradbench.request.plan import plan_block
from gradbench.request.schema import configuration_folder, groups
from tests.conftest import Compose, options
from tools.options import CONFIGURATION, options_page

AXES = ("model", "rule", "strategy", "zeroing", "device", "experiment")
LISTED = ("strategy", "zeroing", "experiment")
EVERY = [(group, name) for group in AXES for name in groups()[group] if name != "all"]


@pytest.mark.parametrize(("group", "name"), EVERY)
def test_option_composes_and_names_a_class(composed: Compose, group: str, name: str) -> None:
    listed = group in LISTED
    needs = ["model.factory=a:b"] if name == "custom" else []
    config = composed(f"{group}={f'[{name}]' if listed else name}", *needs)
    node = config[group][name] if listed else config[group]
    assert get_class(node["_target_"])
    if not listed and name not in ("custom", "huggingface"):
        assert node["name"] == name


LONG = {"coverage", "instruments"}
"""Experiments that take many minutes to say much, left out of `experiment=all`."""


@pytest.mark.parametrize("group", LISTED)
def test_all_lists_every_option(group: str) -> None:
    listed = OmegaConf.load(configuration_folder() / group / "all.yaml")["defaults"]
    assert sorted(listed) == sorted(set(options(group)) - LONG)


def test_the_page_of_options_is_written_from_them() -> None:
    page = (CONFIGURATION / "README.md").read_text("utf-8")
    assert page == options_page(CONFIGURATION), "make format writes conf/README.md anew"


def test_an_option_says_what_it_is(tmp_path: Path) -> None:
    silent = tmp_path / "rule" / "mine.yaml"
    silent.parent.mkdir()
    silent.write_text("# @package _global_\nname: mine\n")
    with pytest.raises(ValueError, match="does not begin with a comment"):
        options_page(tmp_path)
    silent.write_text("# @package _global_\n# This | that,\n# and more.\nname: mine\n# no\n")
    assert "| `mine` | This \\| that, and more. |" in options_page(tmp_path)


def test_the_readme_names_options_that_there_are() -> None:
    readme = Path(__file__).parents[2] / "README.md"
    rows = re.findall(
        r"^\| `(\w+)` \|(?:[^|]*)\|([^|]*)\|$", readme.read_text("utf-8"), re.MULTILINE
    )
    named = {group: set(re.findall(r"`(\w+)`", names)) for group, names in rows}
    assert named.keys() == groups().keys() - {"sweep"}
    assert [
        group for group, names in named.items() if not names or names - {*groups()[group]}
    ] == []


def test_options_share_no_name() -> None:
    for group in LISTED:
        assert sorted(options(group)) == [name for name in groups()[group] if name != "all"]


@pytest.mark.parametrize("name", groups()["rule"])
def test_speedups_refer_to_a_baseline_that_the_rule_has(composed: Compose, name: str) -> None:
    block = plan_block(composed(f"rule={name}"))
    axes = instantiate_axes(block)
    baseline = axes.strategies[block.cells[0].strategy]
    assert baseline.supports(axes.rule, axes.device.torch_device, torch.float32) is None
    asked = composed(f"rule={name}", "strategy@baseline=foreach")
    assert list(asked.baseline) == ["foreach"]


@pytest.mark.parametrize("name", groups()["measurement"])
def test_measurement_composes(composed: Compose, name: str) -> None:
    assert composed(f"measurement={name}").measurement.budget_s > 0


@pytest.mark.parametrize("name", groups()["sweep"])
def test_sweep_composes(composed: Compose, name: str) -> None:
    config = composed(f"+sweep={name}")
    assert len(config.strategy) >= 8


def test_a_wheel_finds_its_own_folders_and_no_others(tmp_path: Path) -> None:
    """In a wheel conf/ and experiments/ lie in the package; what lies beside it is not ours."""
    package = tmp_path / "site" / "gradbench"
    source = configuration_folder().parent
    shutil.copytree(source / "gradbench", package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("conf", "experiments"):
        shutil.copytree(source / folder, package / folder, dirs_exist_ok=True)
        (tmp_path / "site" / folder).mkdir()
    code = (
        "from gradbench.request.schema import configuration_folder, experiments_folder\n"
        "print(configuration_folder(), experiments_folder())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == [str(package / "conf"), str(package / "experiments")]
