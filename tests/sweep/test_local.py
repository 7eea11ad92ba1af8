"""One worker per GPU, with submitit's own local executor and a stand-in for two GPUs."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console

from gradbench.errors import BadRequest
from gradbench.request.task import Finished, Progress
from gradbench.request.versions import Versions, versions_here
from gradbench.results.store import Store
from gradbench.sweep.cluster.base import State
from gradbench.sweep.cluster.follow import follow
from gradbench.sweep.cluster.job import Job, Message
from gradbench.sweep.cluster.local import Machine
from gradbench.terminal.progress import Screen

pytest.importorskip("submitit", reason="extra slurm is not installed")

ROOT = Path(__file__).parents[2]
OPTIONS = {"timeout_min": 1, "gpus_per_node": None}


@dataclass(frozen=True)
class Nap:
    """A task that notes which GPU it had, and from when to when."""

    name: str
    store: Store
    device: tuple[str, int] = ("cuda", 0)
    limit_s: float = field(default=60.0)
    versions: Versions = field(default_factory=versions_here)

    def at(self, host: str, versions: Versions) -> "Nap":
        return replace(self, name=f"{host}-{self.name.partition('-')[2]}")

    def do(self, progress: Progress) -> Finished:
        begun = time.time()
        time.sleep(0.2)
        note = {
            "gpu": os.environ["CUDA_VISIBLE_DEVICES"] if self.device[0] == "cuda" else "cpu",
            "cores": sorted(os.sched_getaffinity(0)),
            "begun": begun,
            "ended": time.time(),
        }
        self.store.folder.mkdir(parents=True, exist_ok=True)
        (self.store.folder / f"{self.name}.json").write_text(json.dumps(note))
        return Finished(Counter(ok=1))

    def lost(self, reason: str) -> Finished:
        return Finished(Counter(failed=1), [reason])


def naps(folder: Path, *devices: tuple[str, int]) -> list[Job]:
    store = Store(folder / "run")
    tasks = [Nap(f"host-{number}", store, device) for number, device in enumerate(devices)]
    return [Job("cells", "status", task.name, task, {}, folder / "jobs") for task in tasks]


@pytest.mark.usefixtures("two_gpus")
def test_each_gpu_has_one_worker_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    monkeypatch.setenv("PYTHONPATH", path, prepend=os.pathsep)
    gpu = ("cuda", 0)
    jobs = naps(tmp_path, gpu, gpu, gpu, ("cpu", 0))
    ended: list[Message] = []
    machine = Machine(tmp_path / "jobs", OPTIONS)
    follow(machine, jobs, Screen(Console(quiet=True)), lambda _, message: ended.append(message))
    assert [message.finished.statuses for message in ended if message.finished] == [
        Counter(ok=1)
    ] * 4
    notes = [json.loads(file.read_text()) for file in (tmp_path / "run").glob("*.json")]
    assert Counter(note["gpu"] for note in notes).keys() == {"GPU-aaaa", "GPU-bbbb", "cpu"}
    cores = {note["gpu"]: set(note["cores"]) for note in notes}
    if len(os.sched_getaffinity(0)) > 1:
        assert not cores["GPU-aaaa"] & cores["GPU-bbbb"]
    for note in notes:
        for other in notes:
            if note is not other and (note["gpu"] == other["gpu"] or note["gpu"] == "cpu"):
                assert note["ended"] <= other["begun"] or other["ended"] <= note["begun"]


@pytest.mark.usefixtures("two_gpus")
def test_the_launcher_chooses_the_gpu(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"device\.index"):
        Machine(tmp_path / "jobs", OPTIONS).submit(naps(tmp_path, ("cuda", 1)))
    with pytest.raises(BadRequest, match="gpus_per_node=0"):
        Machine(tmp_path / "jobs", {**OPTIONS, "gpus_per_node": 0})


def test_a_killed_job_is_gone_and_a_cancelled_one_too(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "jobs", OPTIONS, gpus=[])
    (name,) = machine.submit(naps(tmp_path, ("cpu", 0)))
    assert machine.states()[name].stage == "running"
    assert machine.submit(naps(tmp_path, ("cpu", 0))) == {}
    machine.cancel([name])
    assert machine.states()[name] == State("gone", f"its process {name} ended")


def test_hydra_has_nothing_to_warn_of(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gradbench", "hydra/launcher=submitit_local", "--cfg", "job"]
    answer = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == 0
    assert answer.stdout.startswith("run: ")
    assert answer.stderr == ""
