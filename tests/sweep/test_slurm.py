from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradbench.block.task import BlockTask
from gradbench.errors import BadRequest
from gradbench.request.block import Block
from gradbench.results.store import Store
from gradbench.sweep.cluster.job import Job
from gradbench.sweep.cluster.slurm import Slurm
from tests.conftest import Commands

pytest.importorskip("submitit", reason="extra slurm is not installed")

OPTIONS: dict[str, Any] = {
    "timeout_min": 7,
    "name": "gradbench",
    "partition": "gpu",
    "gpus_per_node": 1,
    "constraint": None,
    "array_parallelism": 2,
    "max_num_timeout": 0,
    "additional_parameters": {"exclusive": True, "reservation": None, "no_requeue": False},
}


@pytest.fixture
def jobs(plan: Callable[..., Block], tmp_path: Path) -> list[Job]:
    store = Store(tmp_path / "run")
    blocks = [plan(f"rule={rule}") for rule in ("sgd", "adam", "adamw")]
    tasks = [BlockTask(block, store) for block in blocks]
    return [Job("cells", "status", task.name, task, {}, tmp_path / "jobs") for task in tasks]


def test_the_script_that_sbatch_gets(jobs: list[Job], commands: Commands, tmp_path: Path) -> None:
    commands(srun="", sbatch=f"cat $1 > {tmp_path}/script; echo Submitted batch job 7")
    submitted = Slurm(tmp_path / "jobs", OPTIONS).submit(jobs)
    assert submitted == {"7_0": jobs[0], "7_1": jobs[1], "7_2": jobs[2]}
    script = (tmp_path / "script").read_text().splitlines()
    flags = {line.removeprefix("#SBATCH --") for line in script if line.startswith("#SBATCH")}
    asked = {"array=0-2%2", "partition=gpu", "gpus-per-node=1", "time=7", "exclusive"}
    assert asked <= flags
    assert not any(flag.startswith(("reservation", "no", "constraint")) for flag in flags - asked
                   if not flag.startswith("nodes"))  # fmt: skip


def test_what_slurm_refuses(jobs: list[Job], commands: Commands, tmp_path: Path) -> None:
    commands(srun="", sbatch="echo 'sbatch: error: invalid partition specified: gpu' >&2; exit 1")
    with pytest.raises(BadRequest, match="invalid partition specified: gpu"):
        Slurm(tmp_path / "jobs", OPTIONS).submit(jobs)


def test_no_slurm_here(jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadRequest, match="srun"):
        Slurm(tmp_path / "jobs", OPTIONS).submit(jobs)


def test_states(commands: Commands, tmp_path: Path) -> None:
    lines = ["1_0|RUNNING|None|a1", "1_1|PENDING|Resources|", "1_2|CANCELLED|None|a2", "2|NEW||"]
    commands(squeue="\n".join(f"echo '{line}'" for line in lines))
    states = Slurm(tmp_path, OPTIONS).states()
    assert states is not None
    assert [(name, state.stage) for name, state in states.items()] == [
        ("1_0", "running"),
        ("1_1", "waiting"),
        ("1_2", "gone"),
        ("2", "waiting"),
    ]
    assert states["1_1"].text == "Resources"
    assert states["1_2"].text == "Slurm job 1_2 is CANCELLED on a2"


def test_a_controller_that_is_down_is_no_lost_job(commands: Commands, tmp_path: Path) -> None:
    commands(squeue="echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    assert Slurm(tmp_path, OPTIONS).states() is None
