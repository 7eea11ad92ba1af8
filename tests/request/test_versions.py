"""Versions are a part of what a result is of: told without torch, kept in its file's name."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gradbench.observing.trial import plan_trials
from gradbench.request import versions as module
from gradbench.request.block import Block
from gradbench.request.versions import Versions, versions_here, without_versions
from gradbench.version import __version__
from tests.conftest import Compose

ROOT = Path(__file__).parents[2]
HERE = versions_here()


@pytest.fixture
def asked_anew() -> Iterator[None]:
    module._torch_version.cache_clear()
    yield
    module._torch_version.cache_clear()


def test_they_are_those_that_rows_carry() -> None:
    assert Versions(str(torch.__version__), __version__) == HERE


def test_telling_them_does_not_import_torch() -> None:
    code = (
        "import sys\nfrom gradbench.request.plan import plan_block\n"
        "from gradbench.request.versions import versions_here\n"
        "print(versions_here().torch)\nsys.exit('torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == HERE.torch


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "__version__ = '2.6.0a0+ecf3bae40a.nv25.01'\ncuda = '12.8'\n",
            "2.6.0a0+ecf3bae40a.nv25.01",
        ),
        ('__version__: str = "2.9.1+rocm6.4"\n', "2.9.1+rocm6.4"),
        ("from .generated import __version__\n", "9.8.7"),
        (None, "9.8.7"),
    ],
)
def test_torch_calls_itself_otherwise_than_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, told: str
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('it takes seconds')\n")
    if text is not None:
        (tmp_path / "torch" / "version.py").write_text(text)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module.importlib.metadata, "version", {"torch": "9.8.7"}.__getitem__)
    assert versions_here().torch == told


@pytest.mark.parametrize("changed", [{"torch": "2.12.0+cu130"}, {"gradbench": "0.0.9"}])
def test_other_versions_are_other_files(
    plan: Callable[..., Block], composed: Compose, changed: dict[str, str]
) -> None:
    """Of a block and of a trial; what else a name says stays."""
    (trial,) = plan_trials(composed("experiment=article"))
    for asked in (plan(), trial):
        other = replace(asked, versions=replace(asked.versions, **changed))
        assert other.name != asked.name
        assert without_versions(other.name) == without_versions(asked.name) != asked.name
        assert replace(other, versions=HERE).name == asked.name


def test_a_name_says_the_versions_and_one_without_them_stays(plan: Callable[..., Block]) -> None:
    name = replace(plan(), host="h-1", versions=Versions("2.13.0+cpu", "0.1.0")).name
    assert "-float32-torch2.13.0_cpu-gradbench0.1.0-" in name
    old = without_versions(name)
    assert old.startswith("h_1-cpu-mlp_small-sgd-float32-")
    assert old.count("-") == 5
    assert without_versions(old) == old


def test_what_has_changed_is_said() -> None:
    now = Versions("2.13.0", "0.2.0")
    assert now.since(Versions("2.12.0", "0.2.0")) == "torch 2.12.0 → 2.13.0"
    both = now.since(Versions("2.12.0", "0.1.0"))
    assert both == "torch 2.12.0 → 2.13.0, gradbench 0.1.0 → 0.2.0"
    assert now.since(now) == "what is there is of an older gradbench"
