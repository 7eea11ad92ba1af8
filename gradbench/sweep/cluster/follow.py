"""From the submission of jobs to the last one's end, with progress over all of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gradbench.errors import BadRequest, Unwritable
from gradbench.request.task import Finished
from gradbench.sweep.cluster.base import Cluster, State
from gradbench.sweep.cluster.job import Job, Message
from gradbench.terminal.progress import Screen

_GRACE_S = 10.0
"""For a last message to appear on a file system that nodes and this machine cache."""

Arrived = Callable[[Job, Message], None]
"""Told each job's last message."""


def follow(cluster: Cluster, jobs: Sequence[Job], screen: Screen, arrived: Arrived) -> None:
    """Submit jobs and follow them to their end; one that is lost takes no other with it.

    Args:
        cluster: Where they run.
        jobs: What to submit.
        screen: Shows progress.
        arrived: Called once for each job that has ended, lost or not.

    Raises:
        BadRequest: A job found the request wrong, or the cluster refuses it: what runs is ended.
        Unwritable: A job could not store its tables: what runs is ended.
    """
    followed = _Followed(cluster, screen, arrived, list(jobs))
    folder = cluster.folder
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(f"{folder} cannot be written: {error.strerror}") from error
    try:
        followed.to_the_end()
    except BaseException:
        cluster.cancel(list(followed.submitted))
        if not followed.begun:
            _remove(folder, missing)
        raise
    if not followed.lost:
        _remove(folder, missing)


def _remove(folder: Path, made: Sequence[Path]) -> None:
    """Remove a folder, and those made for it that nothing else is in."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        for each in (folder.parent, *made):
            if each != folder:
                each.rmdir()


@dataclass
class _Followed:
    cluster: Cluster
    screen: Screen
    arrived: Arrived
    waiting: list[Job]
    submitted: dict[str, Job] = field(default_factory=dict)
    gone_since: dict[str, float] = field(default_factory=dict)
    lost: int = 0
    begun: bool = False

    def to_the_end(self) -> None:
        start = time.monotonic()
        while self.waiting or self.submitted:
            new = self.cluster.submit(self.waiting) if self.waiting else {}
            self.waiting = self.waiting[len(new) :]  # taken in order
            self.submitted |= new
            self.begun = self.begun or bool(new)
            time.sleep(min(max((time.monotonic() - start) / 20, 0.3), 10.0))
            # States first: what a job says before it ends is there when it has ended.
            states = self.cluster.states()
            messages = {name: job.message() for name, job in self.submitted.items()}
            for name, message in messages.items():
                self._look(name, message, states)
            self._show(messages, states)

    def _look(self, name: str, message: Message | None, states: dict[str, State] | None) -> None:
        """See whether a job has ended."""
        if message is not None and message.is_last:
            self._end(name, message)
            return
        state = State("gone", f"job {name} left the queue")
        state = state if states is None else states.get(name, state)
        if states is None or state.stage != "gone":
            self.gone_since.pop(name, None)
            return
        since = self.gone_since.setdefault(name, time.monotonic())
        if time.monotonic() - since >= _GRACE_S:
            self._end(name, self._lost(name, message, state))

    def _end(self, name: str, message: Message) -> None:
        job = self.submitted.pop(name)
        if message.bad_request is not None:
            raise BadRequest(message.bad_request)
        if message.unwritable is not None:
            raise Unwritable(message.unwritable)
        self.arrived(job, message)

    def _lost(self, name: str, last: Message | None, state: State) -> Message:
        """Store the rows of a job that ended without a last message."""
        self.lost += 1
        job = self.submitted[name]
        task = job.task if last is None else job.task.at(last.host, last.versions)
        logs = sorted(self.cluster.folder.glob(f"{name}_*_log.err"))
        lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
        words = next((line.strip() for line in reversed(lines) if line.strip()), "")
        told = f" (last line: {words[:200]})" if words else ""
        finished: Finished = task.lost(f"{state.text} before it was done{told}; logs: {job.folder}")
        host = "nowhere" if last is None else last.host
        return Message(host, task.name, finished=finished)

    def _show(self, messages: dict[str, Message | None], states: dict[str, State] | None) -> None:
        """Show how many jobs run and wait, and what one of them is at."""
        active = [
            (self.submitted[name], message)
            for name, message in messages.items()
            if name in self.submitted and message is not None
        ]
        idle = len(self.submitted) - len(active) + len(self.waiting)
        note = "; ".join(f"{job.label}: {message.text}" for job, message in active[:1])
        if states is None:
            note = "the scheduler does not answer"
        elif not active:
            reasons = {state.text for name, state in states.items() if name in self.submitted}
            note = ", ".join(sorted(reasons - {""})[:2])
        self.screen.follows(len(active), idle, sum(m.fraction for _, m in active), note)
