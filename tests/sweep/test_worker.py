"""A block's life in a process of its own, ended in every way we know."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import gradbench
from gradbench.block.task import BlockTask
from gradbench.errors import BadRequest
from gradbench.request.block import Block
from gradbench.request.task import Finished
from gradbench.results.store import Store
from gradbench.sweep.worker import Workers
from tests.conftest import CUDA_ONLY, FACTORIES, TINY

Plan = Callable[..., Block]


@pytest.fixture(scope="module")
def workers() -> Workers:
    return Workers()


@pytest.fixture
def run(
    workers: Workers, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Finished]:
    monkeypatch.syspath_prepend(str(FACTORIES))

    def run(factory: str, *overrides: str, alone: bool = False) -> Finished:
        model = ["model=custom", f"model.factory=gradbench_factories:{factory}"]
        block = plan(*TINY[1:], *model, "strategy=[no_grad,flat,in_backward]", *overrides)
        return workers.run(BlockTask(block, Store(tmp_path), alone), lambda *_: None)

    return run


def test_a_block_leaves_all_its_tables(run: Callable[..., Finished], tmp_path: Path) -> None:
    finished = run("fine", "measurement.budget_s=1")
    assert finished.statuses == {"ok": 9}
    cells = gradbench.load(tmp_path)
    assert set(cells["status"]) == {"ok"}
    assert cells["update_s"].notna().sum() == 7  # in_backward has no isolated update
    assert (cells["update_s_low"].dropna() <= cells["update_s"].dropna()).all()
    assert cells["torch_version"].notna().all()
    assert cells.loc[cells["role"] == "twin", "speedup"].notna().all()
    trained = cells[cells["role"].isin(["candidate", "baseline"])]
    assert (trained["step_s"].notna() == (trained["step_samples"] >= 6)).all()
    assert (trained["max_ulp_error"] <= trained["tolerance_ulps"]).all()
    samples = gradbench.load(tmp_path, "samples")
    assert set(samples["protocol"]) == {"isolated", "training"}
    assert set(samples["phase"]) == {"update", "zero", "forward", "backward", "step"}
    clean = samples[~samples["disturbed"].astype(bool) & (samples["protocol"] == "training")]
    for phase in ("forward", "backward"):  # of which only clean samples make a figure
        seen = trained.loc[trained[f"{phase}_s"].notna(), "cell"]
        assert set(seen) == set(clean.loc[clean["phase"] == phase, "cell"]) - {"twin"}
    assert (samples["seconds"] > 0).all()
    assert set(samples["cell"]) <= set(cells["cell"])
    gradients = gradbench.load(tmp_path, "gradients")
    assert set(gradients["tensor"]) == {"weight", "bias"}
    assert gradients["present"].all()
    assert (gradients["relative_error"] < 1e-5).all()


@pytest.mark.parametrize("device", CUDA_ONLY, indirect=True)
def test_a_block_on_cuda_has_the_figures_of_the_device(
    run: Callable[..., Finished], tmp_path: Path, device: torch.device
) -> None:
    assert run("fine", f"device={device.type}").statuses == {"ok": 9}
    cells = gradbench.load(tmp_path)
    assert set(cells["device_name"]) == {torch.cuda.get_device_name(device)}
    timed = cells[cells["update_s"].notna()]
    assert len(timed) == 7  # in_backward has no isolated update
    assert (timed["update_device_s"] > 0).all()
    assert (timed[timed["role"] != "bandwidth"]["launches"] >= 1).all()


def test_verification_of_a_part_is_said_and_counts_are_of_the_whole(
    workers: Workers, plan: Plan, tmp_path: Path
) -> None:
    overrides = [*TINY[1:], "model=mlp_small", "strategy=[no_grad_copy]", "zeroing=[set_to_none]"]
    for cut, folder in (("null", "whole"), ("2048", "part"), ("8192", "small")):
        block = plan(*overrides, f"measurement.verify_elements={cut}")
        workers.run(BlockTask(block, Store(tmp_path / folder)), lambda *_: None)
    small = gradbench.load(tmp_path / "small").set_index("cell").loc["no_grad_copy/set_to_none"]
    assert small["verified_elements"] == small["parameters"]  # of fewer than 16 times as many
    whole = gradbench.load(tmp_path / "whole").set_index("cell").loc["no_grad_copy/set_to_none"]
    part = gradbench.load(tmp_path / "part").set_index("cell").loc["no_grad_copy/set_to_none"]
    assert whole["verified_elements"] == whole["parameters"] == part["parameters"]
    assert part["verified_elements"] < part["parameters"] / 10
    assert part["status"] == "ok"
    assert part["launches"] == whole["launches"]
    assert part["peak_extra_bytes"] == whole["peak_extra_bytes"] > 65536 * 4


def test_unused_parameters_have_no_gradient_and_are_not_updated(
    run: Callable[..., Finished], tmp_path: Path
) -> None:
    assert run("partly_unused").statuses == {"ok": 9}
    cells = gradbench.load(tmp_path)
    assert set(cells["tensors"]) == {2}
    gradients = gradbench.load(tmp_path, "gradients").groupby("tensor")["present"].all()
    assert gradients.to_dict() == {
        "used.weight": True,
        "used.bias": True,
        "unused.weight": False,
        "unused.bias": False,
    }


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("raises", "the data set is gone"),
        ("raises_in_forward", "forward refuses"),
        ("leaves", "SystemExit: 3"),
        ("segfaults", "SIGSEGV"),
        ("killed", "SIGKILL"),
    ],
)
def test_lost_block_leaves_failed_rows_with_the_reason(
    run: Callable[..., Finished], tmp_path: Path, factory: str, said: str
) -> None:
    finished = run(factory)
    assert set(finished.statuses) == {"failed"}
    cells = gradbench.load(tmp_path)
    assert set(cells["status"]) == {"failed"}
    assert cells["reason"].str.contains(said, regex=False).all()
    assert len(cells) == finished.statuses["failed"]
    assert not list(tmp_path.rglob("*.partial"))


def test_last_words_of_a_killed_worker_are_kept(
    run: Callable[..., Finished], tmp_path: Path
) -> None:
    assert "about to be killed" in run("killed").reasons[0]


def test_time_limit_ends_a_block(run: Callable[..., Finished], tmp_path: Path) -> None:
    finished = run("hangs", "measurement.time_limit_s=2")
    assert set(finished.statuses) == {"failed"}
    assert "time limit of 2 s" in finished.reasons[0]


def test_model_output_stays_off_the_screen(
    run: Callable[..., Finished], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("chatty").statuses == {"ok": 9}
    assert "xxx" not in capfd.readouterr().out


def test_factory_that_returns_the_wrong_thing_is_refused(
    run: Callable[..., Finished], tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match="module"):
        run("not_a_pair")
    assert not list(tmp_path.iterdir())


def test_nothing_to_train_is_skipped_with_the_reason(
    run: Callable[..., Finished], tmp_path: Path
) -> None:
    assert set(run("frozen").statuses) == {"skipped"}
    assert gradbench.load(tmp_path)["reason"].str.contains("gets a gradient").all()


def test_a_lone_block_in_which_nothing_runs_is_refused(
    run: Callable[..., Finished], tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match="CUDA"):
        run("fine", "device=cuda", "device.index=99", alone=True)
    assert not list(tmp_path.iterdir())


def test_a_block_of_a_sweep_without_its_device_is_skipped(
    run: Callable[..., Finished], tmp_path: Path
) -> None:
    finished = run("fine", "device=cuda", "device.index=99")
    assert set(finished.statuses) == {"skipped"}
    assert gradbench.load(tmp_path)["reason"].str.contains("CUDA").all()


def test_a_strategy_broken_on_purpose_is_wrong_and_never_ranked(
    run: Callable[..., Finished], tmp_path: Path
) -> None:
    """The whole path: a strategy of the wrong sign ends as a row ``wrong`` without figures."""
    finished = run("fine", "+strategy.broken._target_=tests.broken.WrongSign")
    assert finished.statuses["wrong"] == 2
    cells = gradbench.load(tmp_path).set_index("cell")
    assert cells.loc["broken/set_to_none", "status"] == "wrong"
    assert "off by" in cells.loc["broken/set_to_none", "reason"]
    figures = ["update_s", "speedup", "step_s"]
    assert cells.loc[["broken/set_to_none", "broken/set_to_zero"], figures].isna().all(axis=None)
    assert cells.loc["no_grad/set_to_none", "status"] == "ok"
    assert not (gradbench.load(tmp_path, "samples")["cell"].str.startswith("broken")).any()


def test_a_strategy_that_raises_fails_alone(run: Callable[..., Finished], tmp_path: Path) -> None:
    finished = run("fine", "+strategy.broken._target_=tests.broken.Raises")
    assert finished.statuses["failed"] == 2
    assert finished.statuses["ok"] == 9
    assert any("no such kernel" in reason for reason in finished.reasons)


def test_a_strategy_that_raises_without_a_word_fails_alone(run: Callable[..., Finished]) -> None:
    finished = run("fine", "+strategy.broken._target_=tests.broken.RaisesNothingSaid")
    assert finished.statuses == {"failed": 2, "ok": 9}
    assert any("AssertionError" in reason for reason in finished.reasons)


def test_a_wrong_option_is_refused(run: Callable[..., Finished], tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"rule\.lr=fast"):
        run("fine", "rule.lr=fast")
    assert not list(tmp_path.iterdir())


def test_wrong_baseline_gives_no_figures(run: Callable[..., Finished], tmp_path: Path) -> None:
    finished = run(
        "fine", "~baseline.optimizer", "+baseline.broken._target_=tests.broken.WrongSign"
    )
    assert finished.statuses["wrong"] >= 1
    cells = gradbench.load(tmp_path)
    assert cells["speedup"].isna().all()
