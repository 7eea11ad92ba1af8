from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from gradbench.block.task import BlockTask
from gradbench.errors import BadRequest
from gradbench.request.block import Block
from gradbench.request.task import Finished
from gradbench.request.versions import Versions, versions_here
from gradbench.results.load import load
from gradbench.results.store import Store
from gradbench.sweep.cluster import follow as module
from gradbench.sweep.cluster.base import State
from gradbench.sweep.cluster.follow import follow
from gradbench.sweep.cluster.job import Job, Message
from gradbench.terminal.progress import Screen

RUNNING = State("running", "node1")


@dataclass
class Pretended:
    """A cluster of which a test says what becomes of each job, look by look."""

    folder: Path
    looks: list[dict[str, State] | None]
    messages: dict[str, Message] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)

    def submit(self, waiting: Sequence[Job]) -> dict[str, Job]:
        self.jobs = {str(number): job for number, job in enumerate(waiting)}
        for name, message in self.messages.items():
            self.jobs[name].file.write_text(message.write())
        return self.jobs

    def states(self) -> dict[str, State] | None:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def cancel(self, jobs: Sequence[str]) -> None:
        self.cancelled += jobs


@pytest.fixture
def jobs(plan: Callable[..., Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    monkeypatch.setattr("time.sleep", lambda _: None)
    store = Store(tmp_path / "run")
    tasks = [BlockTask(plan(f"rule={rule}"), store) for rule in ("sgd", "adam", "adamw")]
    folder = tmp_path / "run" / ".submitit" / "now"
    return [Job("cells", "status", task.block.rule, task, {}, folder) for task in tasks]


@pytest.fixture
def screen() -> Screen:
    return Screen(Console(quiet=True))


def done(job: Job) -> Message:
    finished = Finished(Counter(ok=3, wrong=1), ["why"], 0.5, torch_version="2")
    return Message("node1", job.task.at("node1", versions_here()).name, finished=finished)


def test_a_message_survives_its_file(jobs: list[Job]) -> None:
    message = done(jobs[0])
    read = Message.read(message.write())
    assert read == message
    assert read.finished is not None
    assert isinstance(read.finished.statuses, Counter)
    assert read.is_last
    assert not Message("node1", "name", 0.5, "timing").is_last


def test_a_lost_job_takes_no_other_with_it(jobs: list[Job], screen: Screen, tmp_path: Path) -> None:
    cancelled = State("gone", "Slurm job 1 is CANCELLED")
    looks: list[dict[str, State] | None] = [{"0": RUNNING, "1": cancelled, "2": RUNNING}]
    there = jobs[1].task.at("node2", Versions("2.9.0+cu130", "0.1.0"))
    working = Message("node2", there.name, 0.5, "timing", versions=there.versions)
    messages = {"0": done(jobs[0]), "1": working, "2": done(jobs[2])}
    cluster = Pretended(jobs[0].folder, looks, messages)
    cluster.folder.mkdir(parents=True)
    (cluster.folder / "1_0_log.err").write_text("Traceback\nslurmstepd: error: killed\n\n")
    ended: dict[str, Message] = {}
    follow(cluster, jobs, screen, lambda job, message: ended.update({job.label: message}))
    assert set(ended) == {"sgd", "adam", "adamw"}
    assert ended["sgd"] == messages["0"]
    cells = load(tmp_path / "run")
    assert set(cells["rule"]) == {"adam"}
    assert set(cells["status"]) == {"failed"}
    assert set(cells["host"]) == {"node2"}
    assert set(cells["block"]) == {there.name}  # under the versions of the node
    reason = cells["reason"].iloc[0]
    assert reason.startswith("Slurm job 1 is CANCELLED before it was done")
    assert "slurmstepd: error: killed" in reason
    assert cluster.folder.is_dir()  # with its logs
    assert cluster.cancelled == []


def test_nothing_but_results_is_left(jobs: list[Job], screen: Screen, tmp_path: Path) -> None:
    messages = {str(number): done(job) for number, job in enumerate(jobs)}
    cluster = Pretended(jobs[0].folder, [{}], messages)  # they have left the queue
    ended: list[str] = []
    follow(cluster, jobs, screen, lambda job, _: ended.append(job.label))
    assert ended == ["sgd", "adam", "adamw"]
    assert not (tmp_path / "run" / ".submitit").exists()


def test_a_wrong_request_ends_what_runs(jobs: list[Job], screen: Screen) -> None:
    wrong = Message("node1", "name", bad_request="model.factory=x:y: there is no x")
    looks: list[dict[str, State] | None] = [{str(number): RUNNING for number in range(3)}]
    cluster = Pretended(jobs[0].folder, looks, {"0": wrong})
    with pytest.raises(BadRequest, match="there is no x"):
        follow(cluster, jobs, screen, lambda *_: None)
    assert cluster.cancelled == ["1", "2"]


def test_a_silent_scheduler_and_a_requeued_job(jobs: list[Job], screen: Screen) -> None:
    """Nobody knows, the node failed, the job waits again, and then it is done."""
    looks: list[dict[str, State] | None] = [None, None, {"0": State("waiting", "BeginTime")}]
    cluster = Pretended(jobs[0].folder, looks)
    ended: list[Message] = []
    original = cluster.states

    def states() -> dict[str, State] | None:
        if len(cluster.looks) == 1:
            cluster.jobs["0"].file.write_text(done(jobs[0]).write())
        return original()

    cluster.states = states  # type: ignore[method-assign]
    follow(cluster, jobs[:1], screen, lambda _, message: ended.append(message))
    assert ended == [done(jobs[0])]
