"""What tells one block from another, from the configuration that Hydra composed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from gradbench.request.hydra_app import PrepareMultirun, run_jobs
from gradbench.request.overrides import changed_options

Changed = Callable[..., list[str]]


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Changed:
    """Run Hydra's jobs of some overrides, and say what each differs by."""

    def changed(*overrides: str) -> list[str]:
        found: list[str] = []

        def job(config: DictConfig) -> None:
            found.append(changed_options(config))

        GlobalHydra.instance().clear()
        monkeypatch.setattr(PrepareMultirun, "choices", {})
        monkeypatch.setattr("sys.argv", ["gradbench"])
        run_jobs(overrides, job, run="r", scratch=tmp_path, ahead=lambda _: None)
        return found

    return changed


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("run=other", "seed=3", "threads=2", "dtype=float64", "measurement=quick"),
        ("measurement.budget_s=1", "measurement.cache=cold", "zeroing=[set_to_zero]"),
        ("strategy=all", "strategy@baseline=foreach", "rule=lion", "device=cuda"),
        ("model=custom", "model.factory=package.module:make"),
        ("model=huggingface", "model.architecture=bert"),
        ("+strategy.mine._target_=package.Mine", "model=mlp_wide", "model.width=2048"),
    ],
)
def test_what_has_a_column_or_only_says_how_long_is_no_option(
    changed: Changed, overrides: tuple[str, ...]
) -> None:
    assert changed(*overrides) == [""]


def test_options_are_overrides_in_one_order(changed: Changed) -> None:
    expected = (
        "model.hidden_layers=3 model.width=64 rule.lr=0.5 strategy.optimizer_compiled.foreach=true"
    )
    given = ["rule.lr=0.5", "strategy=all", "strategy.optimizer_compiled.foreach=true"]
    given += ["model.width=64", "model.hidden_layers=3"]
    assert changed(*given) == changed(*reversed(given)) == [expected]


def test_what_is_swept_is_told(changed: Changed) -> None:
    swept = changed("-m", "model.width=64,256,1024", "rule=sgd,adamw")
    assert swept == ["model.width=64"] * 2 + [""] * 2 + ["model.width=1024"] * 2


def test_options_give_the_same_configuration_again(changed: Changed) -> None:
    (found,) = changed(
        *("model=huggingface", "+model.config.text='a b'", "+model.config.more=[1,null,true]"),
        *("+strategy.mine._target_=package.Mine", "+strategy.mine.share=0.1", "rule.lr=1e-6"),
        *("rule=muon", "rule.ns_coefficients=[3.0,-4.0,2.0]", "rule.adamw.lr=0.1"),
    )
    assert found == (
        "+model.config.more=[1,null,true] +model.config.text='a b' rule.adamw.lr=0.1 rule.lr=1e-06 "
        "rule.ns_coefficients=[3.0,-4.0,2.0] +strategy.mine.share=0.1"
    )
    parts = found.replace("'a b'", "'a_b'").split()
    own = ["model=huggingface", "rule=muon", "+strategy.mine._target_=package.Mine"]
    assert changed(*own, *parts) == [found.replace("'a b'", "a_b")]


def test_an_option_of_ones_own_is_compared_with_its_own_file(
    changed: Changed, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "defaults: [mlp_small, _self_]\nname: mine\nwidth: 8\n"
    )
    given = (f"hydra.searchpath=[file://{tmp_path}]", "model=mine")
    assert changed(*given) == [""]
    assert changed(*given, "model.width=256") == ["model.width=256"]
