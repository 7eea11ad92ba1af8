"""A command's tasks, one after another: what is missing is done, what is there is kept."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gradbench.block.task import BlockTask
from gradbench.errors import BadRequest, Unwritable
from gradbench.observing.task import TrialTask
from gradbench.observing.trial import plan_trials
from gradbench.request.block import host_name, safe
from gradbench.request.hydra_app import PrepareMultirun
from gradbench.request.plan import plan_block
from gradbench.request.task import Finished, Task
from gradbench.results.location import check_writable
from gradbench.results.lock import claim, remove_abandoned
from gradbench.results.schema import CELL, OBSERVATION, RUN
from gradbench.results.store import Store, now
from gradbench.sweep.anew import why_anew
from gradbench.sweep.cluster.base import Cluster
from gradbench.sweep.cluster.follow import follow
from gradbench.sweep.cluster.job import Job, Message, Movable
from gradbench.sweep.cluster.launchers import chosen_cluster, is_elsewhere
from gradbench.sweep.durations import asked_block, earlier_blocks, how_long
from gradbench.sweep.label import label_of
from gradbench.sweep.worker import Workers
from gradbench.sweep.worker_server import end_unused, start_ahead
from gradbench.terminal.progress import Screen
from gradbench.version import __version__, git_revision

Key = tuple[str, str]
"""A table and the name of a file in it."""


@dataclass
class Sweep:
    """The tasks of one command.

    Args:
        command: The overrides given.
        screen: Shows progress.
        error: The request was wrong, or the results cannot be stored.
        store: The run's folder, once it is known.
        finished: What became of the tasks done, by table and name.
        asked: Resolved options of the tasks asked for so far, by table and name.
        interruption: What a signal raised, and the sweep raises again should it get lost.
    """

    command: list[str]
    screen: Screen
    error: BadRequest | Unwritable | None = None
    store: Store | None = None
    finished: dict[Key, Finished] = field(default_factory=dict)
    asked: dict[Key, dict[str, Any]] = field(default_factory=dict)
    interruption: type[KeyboardInterrupt] | None = None

    def __post_init__(self) -> None:
        self._started_at, self._start = now(), time.perf_counter()
        self._workers: Workers | None = None
        self._learnt: dict[str, dict[str, Any]] = {}
        self._server: int | None = None
        self._expected: dict[str, int] = {}
        self._cluster: Cluster | None = None
        self._jobs: dict[Key, Job] = {}

    def names(self, table: str) -> list[str]:
        """Return the names of the files of a table asked for so far.

        Args:
            table: ``cells`` or ``observations``.

        Returns:
            File names without suffix, in order.
        """
        return [name for kind, name in self.asked if kind == table]

    def job(self, config: DictConfig) -> None:
        """Do one job; the task function that Hydra calls.

        A wrong request is kept in ``error`` and ends the sweep without another job: raised from
        here, Hydra would print it a second time.

        Args:
            config: The job's configuration.
        """
        self._go_on()
        if self.error is not None:
            return
        try:
            self._job(config)
        except (BadRequest, Unwritable) as error:
            self.error = error

    def _job(self, config: DictConfig) -> None:
        trials = plan_trials(config)
        measured = not trials if config.measure is None else bool(config.measure)
        block = plan_block(config) if measured else None
        multirun = HydraConfig.get().mode == RunMode.MULTIRUN
        if self.store is None:
            self.store = Store(Path(config.output) / config.run)
            check_writable(self.store.folder)
            remove_abandoned(self.store.folder)
            blocks = PrepareMultirun.jobs() if measured else 0
            experiments = len(trials) * PrepareMultirun.jobs(experiments=True)
            self._expected = {CELL: blocks, OBSERVATION: experiments}
            self._cluster = chosen_cluster(HydraConfig.get().launcher)
            expected = self._expect(config, blocks) if measured else None
            self.screen.begin(blocks, experiments, self.store.folder, expected)
        for trial in trials:
            key = (OBSERVATION, trial.name)
            if (
                key not in self.asked and key not in self._jobs
            ):  # the jobs of a sweep share their device's trials
                label = label_of(trial)
                task = TrialTask(trial, self.store, alone=not multirun)
                self._do(key, label, task, trial.options, "verdict")
        if block is not None:
            label = label_of(block)
            measuring = BlockTask(block, self.store, alone=not multirun and not trials)
            self._do((CELL, block.name), label, measuring, block.options, "status")

    def _expect(self, config: DictConfig, blocks: int) -> str | None:
        """Say how long the blocks that are missing here will take; on a cluster nobody knows."""
        assert self.store is not None
        there = self.store.path(CELL, "").parent.glob(f"{safe(host_name())}-*.parquet")
        missing = blocks - len(list(there))
        if self._cluster is not None or missing < 1:
            return None
        composed = PrepareMultirun.composed
        configs = [config, *(composed.waiting if composed is not None else [])]
        earlier = earlier_blocks(self.store.folder.parent, host_name())
        asked = [block for each in configs if (block := asked_block(each)) is not None]
        return how_long(asked, missing, earlier)

    def _do(
        self, key: Key, label: str, task: Movable, options: dict[str, Any], column: str
    ) -> None:
        """Do a task that is missing, unless another sweep is at it, and record it."""
        assert self.store is not None
        table, name = key
        if self._cluster is not None:
            self._plan(key, Job(table, column, label, task, options, self._cluster.folder))
            return
        self.asked[key] = options
        if not self.store.is_finished(name, table, column):
            file = self.store.path(table, name)
            with claim(file, lambda: self.screen.waits(label)):
                if not self.store.is_finished(name, table, column):
                    anew = why_anew(self.store, name, task.versions, table, column)
                    self._measure(key, label, task, anew)
                    return
        self.screen.kept(label)

    def _plan(self, key: Key, job: Job) -> None:
        """Take a task that no host has done into those to be submitted."""
        assert self.store is not None
        table, name = key
        done = self.store.done_on_any_host(name, table, job.column)
        if done is None:
            self._jobs[key] = job
        elif (table, done) not in self.asked:
            self.asked[table, done] = job.options
            self.screen.kept(job.label)

    def finish(self) -> None:
        """Submit what was planned, where there is a cluster, and wait for its end.

        Raises:
            BadRequest: The request is wrong, or the cluster refuses it.
            Unwritable: Something cannot be stored.
        """
        if self._cluster is None or not self._jobs or self.error is not None:
            return
        jobs = list(self._jobs.values())
        for job in jobs:
            job.forget()
        follow(self._cluster, jobs, self.screen, self._arrived)

    def _arrived(self, job: Job, message: Message) -> None:
        """Record what became of a submitted task, under the name that its host gave it."""
        key = (job.table, message.name)
        self.asked[key] = job.options
        if message.finished is None:
            self.screen.kept(job.label)
            return
        self.finished[key] = message.finished
        label = f"{job.label} on {message.host}"
        self.screen.ends(label, message.finished, message.seconds, message.anew)
        self.record("running")

    def _measure(self, key: Key, label: str, task: Task, anew: str | None) -> None:
        """Have a worker do a task."""
        self._workers = self._workers or Workers()
        self.screen.begins(label, anew)
        begun = time.perf_counter()
        if isinstance(task, BlockTask):
            task = replace(task, learnt=self._learnt)
        result = self._workers.run(task, self._advances)
        self._learnt |= result.learnt
        self.finished[key] = result
        self.screen.ends(label, result, time.perf_counter() - begun, anew)
        self.record("running")

    def ahead(self, launcher: DictConfig) -> None:
        """Have the workers' server import while a multirun is composed, where it may be wanted.

        Args:
            launcher: Node ``hydra.launcher``.
        """
        if not is_elsewhere(launcher):
            self._server = start_ahead()

    def leave_server(self) -> None:
        """End the workers' server where no task turned out to be missing."""
        if self._server is not None and self._workers is None:
            end_unused(self._server)
        self._server = None

    def _advances(self, fraction: float, text: str) -> None:
        self._go_on()
        self.screen.advances(fraction, text)

    def interrupted_by(self, interruption: type[KeyboardInterrupt]) -> None:
        """Take note of what a signal is about to raise.

        Args:
            interruption: What it raises.
        """
        self.interruption = interruption

    def _go_on(self) -> None:
        """Raise an interruption again: C code that called Python may have swallowed it."""
        if self.interruption is not None:
            raise self.interruption

    def record(self, state: str) -> None:
        """Write the command's row in ``runs``; nothing if nothing was asked for.

        Args:
            state: running, done, failed or interrupted.
        """
        if self.store is None:
            return
        wall_s = time.perf_counter() - self._start
        results = self.finished.values()
        sampling_s = sum(result.sampling_s for result in results)
        verify_s = sum(result.verify_s for result in results)
        stamp = self._started_at.replace(":", "").replace("+0000", "Z")
        row = {
            "run": self.store.folder.name,
            "host": host_name(),
            "started_at": self._started_at,
            "ended_at": None if state == "running" else now(),
            "state": state,
            "command": " ".join(self.command),
            **self._counts("blocks", "blocks_measured", CELL),
            **self._counts("experiments", "experiments_run", OBSERVATION),
            "wall_s": wall_s,
            "sampling_s": sampling_s,
            "sampling_fraction": sampling_s / wall_s,
            "compile_s": sum(result.compile_s for result in results),
            "verify_s": verify_s,
            "verify_fraction": verify_s / wall_s,
            "python_version": platform.python_version(),
            "torch_version": next((r.torch_version for r in results if r.torch_version), None),
            "gradbench_version": __version__,
            "platform": platform.platform(),
            "cpu_count": os.cpu_count(),
            "git_revision": git_revision(),
            "configuration": json.dumps(
                {name: options for (_, name), options in self.asked.items()}, sort_keys=True
            ),
        }
        self.store.write(RUN, f"{host_name()}-{stamp}-{os.getpid()}", [row])

    def _counts(self, asked: str, done: str, table: str) -> dict[str, int]:
        """Count a table's tasks: asked for, done by this command, kept."""
        keys = {key for key in self.asked if key[0] == table}
        finished = len(keys & set(self.finished))
        expected = max(len(keys), self._expected.get(table, 0))  # an interrupted sweep lacks some
        return {asked: expected, done: finished, f"{asked}_kept": len(keys) - finished}
