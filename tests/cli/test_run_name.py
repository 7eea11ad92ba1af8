"""Where a command's results go: the name given, however it is given, and the time where none is."""

import re
from pathlib import Path

import pytest
import yaml

from gradbench.cli.main import main
from gradbench.request.hydra_app import sets
from tests.conftest import TINY


def composed_run(capfd: pytest.CaptureFixture[str], *line: str) -> str:
    """Have Hydra compose a command's job, and take the run's name from it."""
    capfd.readouterr()
    assert main([*line, "--cfg", "job"]) == 0
    run = yaml.safe_load(capfd.readouterr().out)["run"]
    assert isinstance(run, str)
    return run


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_the_name_given_is_the_runs(capfd: pytest.CaptureFixture[str], sign: str) -> None:
    assert composed_run(capfd, f"{sign}run=first") == "first"
    assert composed_run(capfd, "rule=adam", f"{sign}run='my run'", "seed=1") == "my run"


def test_a_run_without_a_name_has_that_of_its_time(capfd: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", composed_run(capfd, "rule=adam"))


@pytest.mark.parametrize("given", ["+run=first", "++run=first"])
def test_the_results_lie_where_the_sign_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    line = (*TINY, "strategy=[no_grad]", "zeroing=[set_to_none]", given)
    assert main(["-m", *line, "seed=0,1"]) == 0
    assert [folder.name for folder in (tmp_path / "results").iterdir()] == ["first"]
    assert len(list((tmp_path / "results/first/cells").glob("*.parquet"))) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["~run"], "~run: choose a folder name, such as run=first, or leave it out"),
        (["~run=first"], "~run=first: choose a folder name"),
        (["run="], "run=: choose a folder name"),
        (["++run="], "++run=: choose a folder name"),
        (["run=null"], "run=null: choose a folder name"),
        (["run=''"], "run='': choose a folder name"),
        (["-m", "run=a,b"], "run=a,b: a command has one run; repeat it for each"),
        (["run=a,b"], "run=a,b: a command has one run"),
        (["-m", "++run=choice(a,b)"], "a command has one run"),
        (["-m", "output=a,b"], "output=a,b: a command has one output"),
    ],
)
def test_what_names_no_run_is_refused_in_one_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    line: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*line, *TINY]) == 2
    error = capfd.readouterr().err
    assert error.startswith(f"gradbench: {message}" if "choice" not in line[-1] else "gradbench: ")
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_only_the_key_itself_sets_it() -> None:
    assert sets("run", ["a=b", "++run=x"])
    assert not sets("run", ["rerun=x", "hydra.run.dir=x", "~run", "+++run=x"])
    assert sets("hydra.sweep.dir", ["hydra.sweep.dir=x"])
    assert not sets("hydra.sweep.dir", ["hydra.sweep-dir=x"])
