"""After an upgrade a run's blocks are measured anew, and the screen says why."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gradbench
from gradbench.block.task import BlockTask
from gradbench.cli.main import main
from gradbench.request.block import Block
from gradbench.request.task import Finished
from gradbench.request.versions import Versions, versions_here, without_versions
from gradbench.results.store import Store
from gradbench.sweep.anew import why_anew
from gradbench.sweep.cluster import job as module
from gradbench.sweep.cluster.job import Job
from tests.conftest import TINY

LINE = (*TINY, "strategy=[no_grad]", "zeroing=[set_to_none]", "run=r")
HERE = versions_here()
OLD = Versions("2.1.0", HERE.gradbench)
OLDER = Versions("2.0.0", "0.0.1")


def rows(block: Block, status: str = "ok", recorded_at: str = "2026-01-01") -> list[dict[str, Any]]:
    told = {"torch_version": block.versions.torch, "gradbench_version": block.versions.gradbench}
    return [{"block": block.name, "status": status, "recorded_at": recorded_at, **told}]


def rename(folder: Path, name: Callable[[str], str], **told: str) -> None:
    """Make a run one that was made with another version: by the names of its files, and rows."""
    for table in ("cells", "samples", "gradients"):
        for file in (folder / table).glob("*.parquet"):
            found = gradbench.load(file, table).assign(block=name(file.stem))
            changed = {key: value for key, value in told.items() if key in found}
            content = found.assign(**changed).astype(object)
            content = content.where(content.notna(), None)
            Store(folder).write(table, name(file.stem), content.to_dict("records"))
            file.unlink()


def test_an_upgraded_torch_measures_anew_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*LINE]) in (0, 1)
    run, (fresh,) = tmp_path / "results" / "r", (tmp_path / "results" / "r" / "cells").iterdir()
    here, old = (f"-torch{v}-" for v in (HERE.torch.replace("+", "_"), OLD.torch))
    rename(run, lambda name: name.replace(here, old), torch_version=OLD.torch)
    # Not `runs`: two commands of one process and second share a file there.
    before = {file: file.read_bytes() for file in run.glob("[!r]*/*.parquet")}
    assert before
    assert not fresh.exists()

    capfd.readouterr()
    assert main([*LINE]) in (0, 1)
    said = capfd.readouterr().out
    assert f"linear · sgd · cpu: measured anew: torch {OLD.torch} → {HERE.torch}; " in said
    assert fresh.exists()
    assert all(file.read_bytes() == content for file, content in before.items())
    assert set(gradbench.load(run)["torch_version"]) == {OLD.torch, HERE.torch}

    capfd.readouterr()
    assert main([*LINE]) in (0, 1)  # the same versions, such as a checkout that goes on
    assert "linear · sgd · cpu: kept" in capfd.readouterr().out


def test_a_run_of_an_older_gradbench_is_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its files' names hold no versions."""
    monkeypatch.chdir(tmp_path)
    assert main([*LINE]) in (0, 1)
    rename(tmp_path / "results" / "r", without_versions, torch_version=OLD.torch)
    capfd.readouterr()
    assert main([*LINE]) in (0, 1)
    assert f": measured anew: torch {OLD.torch} → {HERE.torch}; " in capfd.readouterr().out


def test_the_reason_is_the_last_result_that_was_finished(
    plan: Callable[..., Block], tmp_path: Path
) -> None:
    store, block = Store(tmp_path), plan()
    old, older, failed = (
        replace(block, versions=versions) for versions in (OLD, OLDER, replace(OLD, torch="1.0"))
    )
    other = replace(plan("seed=1"), versions=OLD)

    def why(**how: bool) -> str | None:
        return why_anew(store, block.name, block.versions, "cells", "status", **how)

    store.write("cells", other.name, rows(other))
    store.write("cells", failed.name, rows(failed, "failed", "2026-03-01"))
    assert why() is None
    store.write("cells", older.name, rows(older, recorded_at="2026-01-01"))
    store.write("cells", old.name, rows(old, recorded_at="2026-02-01"))
    assert why() == f"torch {OLD.torch} → {HERE.torch}"
    store.discard("cells", old.name)
    assert why() == f"torch {OLDER.torch} → {HERE.torch}, gradbench 0.0.1 → {HERE.gradbench}"
    store.discard("cells", older.name)
    store.write("cells", without_versions(block.name), rows(block))
    assert why() == "what is there is of an older gradbench"
    elsewhere = replace(block, host="elsewhere", versions=OLD)
    store.discard("cells", without_versions(block.name))
    store.write("cells", elsewhere.name, rows(elsewhere))
    assert why() is None
    assert why(any_host=True) == f"torch {OLD.torch} → {HERE.torch}"


class Told:
    """Workers that note what they are asked to do."""

    asked: list[str]

    def __init__(self, method: str) -> None:
        self.asked = []

    def run(self, task: BlockTask, progress: object) -> Finished:
        task.store.write("cells", task.name, rows(task.block))
        Told.asked = [*Told.asked, task.name]
        return Finished(Counter(ok=1))


NODE = Versions("2.9.0+cu130", HERE.gradbench)


@pytest.fixture
def job(
    plan: Callable[..., Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Job]:
    """A job on a node whose torch is not that of the host that submits it."""
    Told.asked = []
    monkeypatch.setattr(module, "Workers", Told)
    monkeypatch.setattr(module, "versions_here", lambda: NODE)
    monkeypatch.setattr(module, "host_name", lambda: "node7")
    before = signal.getsignal(signal.SIGTERM)
    (tmp_path / "jobs").mkdir()
    task = BlockTask(plan(), Store(tmp_path / "run"))
    yield Job("cells", "status", "label", task, {}, tmp_path / "jobs")
    signal.signal(signal.SIGTERM, before)


def on(job: Job, host: str, versions: Versions) -> Block:
    task = job.task.at(host, versions)
    assert isinstance(task, BlockTask)
    return task.block


def test_a_node_measures_with_its_own_versions(job: Job) -> None:
    """And what went wrong there before is forgotten, which the submitting host did not find."""
    submitted = on(job, "login", job.task.versions)
    failed, mine = on(job, "node8", NODE), on(job, "node7", NODE)
    store = job.task.store
    store.write("cells", submitted.name, rows(submitted))
    store.write("cells", failed.name, rows(failed, "failed"))
    job()
    message = job.message()
    assert message is not None
    assert (message.host, message.name, message.versions) == ("node7", mine.name, NODE)
    assert message.finished is not None
    assert message.anew == f"torch {HERE.torch} → {NODE.torch}"
    assert Told.asked == [mine.name]
    assert not store.path("cells", failed.name).exists()
    assert store.path("cells", submitted.name).exists()


def test_a_node_keeps_what_its_versions_have_measured(job: Job) -> None:
    done = on(job, "node8", NODE)
    job.task.store.write("cells", done.name, rows(done))
    job()
    message = job.message()
    assert message is not None
    assert message.kept
    assert message.name == done.name
    assert Told.asked == []
