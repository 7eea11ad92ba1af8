"""A task done by a process elsewhere that shares the file system, and what it says meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, Protocol

from gradbench.errors import BadRequest, Unwritable
from gradbench.machine.device_lock import device_to_itself
from gradbench.request.block import host_name
from gradbench.request.task import Finished, Progress, Task
from gradbench.request.versions import Versions, versions_here
from gradbench.results.lock import claim
from gradbench.results.schema import GRADIENT, SAMPLE
from gradbench.results.store import Store
from gradbench.sweep.anew import why_anew
from gradbench.sweep.worker import Workers

_TELLING_S = 1.0
"""Between two messages about how far a job is: each is a file on a shared file system."""


class Movable(Task, Protocol):
    """A task that can be done on another host."""

    @property
    def store(self) -> Store:
        """Where its tables go."""
        ...

    @property
    def name(self) -> str:
        """Name of its files, which begins with the host's and holds the versions."""
        ...

    @property
    def versions(self) -> Versions:
        """What it is measured with."""
        ...

    @property
    def device(self) -> tuple[str, int]:
        """Its device's name and index."""
        ...

    def at(self, host: str, versions: Versions) -> Movable:
        """Return the same task of another host.

        Args:
            host: Name of the host.
            versions: Those there, which need not be those of the host that asks for it.
        """
        ...


@dataclass(frozen=True)
class Message:
    """What a job says of itself, the last word included.

    Args:
        host: Where it runs.
        name: Name of the task's files there.
        fraction: How much is done.
        text: What is being done.
        finished: What became of the task; None before, and where it was there already.
        kept: It was there already.
        bad_request: What is wrong with the request.
        unwritable: Why nothing can be stored.
        seconds: How long the task took.
        anew: What has changed since the task was done before; None where it was not.
        versions: Those of the host.
    """

    host: str
    name: str
    fraction: float = 0.0
    text: str = ""
    finished: Finished | None = None
    kept: bool = False
    bad_request: str | None = None
    unwritable: str | None = None
    seconds: float = 0.0
    anew: str | None = None
    versions: Versions = field(default_factory=versions_here)

    @classmethod
    def read(cls, text: str) -> Message:
        """Read a message from its JSON."""
        said = json.loads(text)
        if said["finished"] is not None:
            statuses = Counter(said["finished"]["statuses"])
            said["finished"] = Finished(**{**said["finished"], "statuses": statuses})
        return cls(**{**said, "versions": Versions(**said["versions"])})

    def write(self) -> str:
        """Return it as JSON: pickled, it could run what others put into the folder.

        What was learnt stays where it is: it is of that machine.
        """
        finished = self.finished and {**vars(self.finished), "learnt": {}}
        return json.dumps({**vars(self), "finished": finished, "versions": vars(self.versions)})

    @property
    def is_last(self) -> bool:
        """Whether the job has nothing more to say."""
        return bool(self.finished or self.kept or self.bad_request or self.unwritable)


@dataclass(frozen=True)
class Job:
    """A task for a process of its own, elsewhere; calling it does the task.

    Args:
        table: Table that the task writes last.
        column: The table's column that says ``failed`` or ``skipped``.
        label: Names the task on the screen.
        task: What to do.
        options: The task's resolved options.
        folder: Where its messages go, on a file system that all share.
        gpu: UUID of the one GPU it may see; None leaves that to the scheduler.
        cores: Cores to be pinned to; None leaves that to the scheduler.
        path: Where the request's own modules are.
    """

    table: str
    column: str
    label: str
    task: Movable
    options: dict[str, Any]
    folder: Path
    gpu: str | None = None
    cores: tuple[int, ...] | None = None
    path: tuple[str, ...] = field(default_factory=lambda: tuple(sys.path))

    @property
    def file(self) -> Path:
        """Where the last message is."""
        return self.folder / f"{self.table}-{self.task.name.partition('-')[2]}.json"

    def forget(self) -> None:
        """Remove what earlier attempts that failed have stored, on whatever host."""
        store = self.task.store
        for name in store.on_any_host(self.task.name, self.table):
            if not store.is_finished(name, self.table, self.column):
                for table in (self.table, SAMPLE, GRADIENT):
                    store.discard(table, name)

    def message(self) -> Message | None:
        """Return what the job said last; None if it has not begun."""
        try:
            return Message.read(self.file.read_text())
        except (OSError, ValueError):
            return None

    def checkpoint(self) -> Any:
        """Have a preempted job begin anew: submitit calls this."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def __call__(self) -> None:
        """Do the task here, where the device is to itself, unless it was done meanwhile."""
        self._settle()
        task = self.task.at(host_name(), versions_here())
        waits = "waiting for the device"
        first = Message(host_name(), task.name, text=waits, versions=task.versions)
        say = _Speaker(self.file, first)
        store = task.store
        # By the name without its host: the same task must not be done by two.
        file = store.path(self.table, task.name.partition("-")[2])
        try:
            with claim(file, lambda: say.now(text="waiting for another job")), ExitStack() as held:
                done = store.done_on_any_host(task.name, self.table, self.column)
                if done is not None:
                    say.now(name=done, kept=True)
                    return
                # Earlier attempts with versions that the host which asked did not know of.
                replace(self, task=task).forget()
                anew = why_anew(
                    store, task.name, task.versions, self.table, self.column, any_host=True
                )
                held.enter_context(device_to_itself(*task.device, lambda: say.now(text=waits)))
                begun = time.monotonic()
                say.now(text="starting", anew=anew)
                # For one task a server that forks workers would import more than it saves.
                finished = Workers("spawn").run(task, say.progress)
                say.now(finished=finished, seconds=time.monotonic() - begun)
        except BadRequest as error:
            say.now(bad_request=str(error))
        except Unwritable as error:
            say.now(unwritable=str(error))

    def _settle(self) -> None:
        """Make this process what the task needs."""
        sys.path[:] = self.path
        signal.signal(signal.SIGTERM, _end)
        if self.gpu is not None:
            os.environ |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": self.gpu}
        if self.cores is not None:
            os.sched_setaffinity(0, self.cores)


@dataclass
class _Speaker:
    """Writes a job's messages, whole."""

    file: Path
    last: Message
    spoken: float = -_TELLING_S

    def now(self, **news: Any) -> None:
        """Write a message that differs from the last."""
        self.last = replace(self.last, **news)
        self.spoken = time.monotonic()
        temporary = self.file.with_suffix(f".{os.getpid()}.partial")
        temporary.write_text(self.last.write())
        temporary.replace(self.file)

    @property
    def progress(self) -> Progress:
        def progress(fraction: float, text: str) -> None:
            if time.monotonic() - self.spoken >= _TELLING_S:
                self.now(fraction=fraction, text=text)

        return progress


def _end(*_: object) -> NoReturn:
    """End at SIGTERM without a last word; ask to begin anew if it is Slurm that wants the node."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    job = os.environ.get("SLURM_JOB_ID")
    if job is not None and _state(job) == "RUNNING":  # a cancelled job is COMPLETING by now
        subprocess.run(["scontrol", "requeue", job], capture_output=True, check=False)
    raise SystemExit(128 + signal.SIGTERM)


def _state(job: str) -> str:
    command = ["squeue", "--noheader", f"--jobs={job}", "--format=%T"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
