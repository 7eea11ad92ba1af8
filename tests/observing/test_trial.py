from pathlib import Path

import pytest
import torch

from gradbench.errors import BadRequest
from gradbench.observing.experiment import Experiment
from gradbench.observing.trial import plan_trials
from gradbench.request.schema import groups
from tests.conftest import Compose

NAMES = [name for name in groups()["experiment"] if name != "all"]


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_is_planned_by_name(composed: Compose, name: str) -> None:
    for override in (f"experiment={name}", f"+experiment={name}", f"experiment=[{name}]"):
        (trial,) = plan_trials(composed(override))
        assert trial.experiment == name
        assert f"-cpu-{name}-" in trial.name


def test_all_are_planned_and_some_in_the_sweep_too(composed: Compose) -> None:
    planned = [t.experiment for t in plan_trials(composed("experiment=all"))]
    assert sorted(planned) == sorted(set(NAMES) - {"coverage", "instruments"})  # of many minutes
    quick = {t.experiment for t in plan_trials(composed("+sweep=all"))}
    assert quick == {"article", "zeroing", "failure_modes"}
    assert plan_trials(composed("+sweep=all", "experiment=[]")) == []
    assert plan_trials(composed()) == []


def test_blocks_and_experiments_are_asked_for_apart(composed: Compose) -> None:
    assert composed("experiment=article").measure is None
    for sweep in ("all", "quick"):
        assert composed(f"+sweep={sweep}", "experiment=article").measure is True


def test_what_changes_the_rows_changes_the_name(composed: Compose) -> None:
    overrides = ([], ["threads=1"], ["+experiment.article.x=1"], ["device=cuda"])
    names = {plan_trials(composed("experiment=article", *o))[0].name for o in overrides}
    assert len(names) == len(overrides)
    (trial,) = plan_trials(composed("experiment=article", "run=other", "model=gpt2", "rule=adam"))
    assert trial.name in names


def test_bad_values_are_refused(composed: Compose) -> None:
    with pytest.raises(BadRequest, match="threads=0"):
        plan_trials(composed("experiment=article", "threads=0"))


def test_a_folder_in_the_working_directory_is_no_experiment_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "article.py").write_text("raise SystemExit('shadowed')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    experiment = Experiment("article.py")
    first = next(experiment.observe(experiment.files[0], torch.device("cpu")))
    assert first.case == "example 1, as printed"


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"nowhere\.py"):
        Experiment("nowhere.py")
