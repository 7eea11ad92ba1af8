"""Jobs on this machine: one worker per GPU, and blocks of the CPU one at a time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gradbench.errors import BadRequest
from gradbench.machine.gpu import visible_gpus
from gradbench.sweep.cluster.base import State
from gradbench.sweep.cluster.job import Job
from gradbench.sweep.worker_server import sigint_blocked

_PATIENCE_S = 10.0
"""For cancelled jobs to end."""


@dataclass
class Machine:
    """The GPUs of this machine, each with a worker; submitit's local executor starts them.

    Args:
        folder: For logs and pickled jobs.
        options: Resolved ``hydra.launcher``.
        gpus: UUIDs of the GPUs.
    """

    folder: Path
    options: Mapping[str, Any]
    gpus: list[str] = field(default_factory=visible_gpus)

    def __post_init__(self) -> None:
        most = self.options.get("gpus_per_node")
        if most is not None and not most >= 1:
            raise BadRequest(f"hydra.launcher.gpus_per_node={most}: choose a number from 1")
        self.gpus = self.gpus[:most]
        self._running: dict[str, tuple[Any, str | None]] = {}
        self._gone: set[str] = set()

    def submit(self, waiting: Sequence[Job]) -> dict[str, Job]:
        """Give each idle GPU a job; while one for the CPU runs, nothing else does."""
        submitted: dict[str, Job] = {}
        for job in waiting:
            busy = {gpu for _, gpu in self._running.values()}
            gpu: str | None = None
            if job.task.device[0] == "cuda" and self.gpus:
                if job.task.device[1] != 0:
                    raise BadRequest(
                        "device.index: hydra/launcher=submitit_local chooses the GPU; leave it out"
                    )
                gpu = next((each for each in self.gpus if each not in busy), None)
                if gpu is None or None in busy:
                    break
                job = replace(job, gpu=gpu, cores=self._cores(gpu))
            elif busy:
                break
            handle = self._start(job)
            self._running[handle.job_id] = (handle, gpu)
            submitted[handle.job_id] = job
        return submitted

    def _cores(self, gpu: str) -> tuple[int, ...] | None:
        """Return a GPU's share of the cores; None where there are fewer cores than GPUs."""
        cores = sorted(os.sched_getaffinity(0))
        share, place = len(cores) // len(self.gpus), self.gpus.index(gpu)
        return tuple(cores[place * share : (place + 1) * share]) or None

    def _start(self, job: Job) -> Any:
        """Start a process that Ctrl-C, which a terminal sends to all, never reaches."""
        import submitit

        executor = submitit.LocalExecutor(self.folder)
        executor.update_parameters(timeout_min=self.options["timeout_min"])
        with sigint_blocked():  # which is inherited
            return executor.submit(job)

    def states(self) -> dict[str, State]:
        """Say which jobs run, and how the others ended."""
        for name, (handle, _) in list(self._running.items()):
            if handle.done():
                self._gone.add(name)
                del self._running[name]
        running = {name: State("running", "") for name in self._running}
        # Not with which status: that of submitit's process, which is 0 however its own ended.
        return running | {name: State("gone", f"its process {name} ended") for name in self._gone}

    def cancel(self, jobs: Sequence[str]) -> None:
        """End jobs and wait until they are gone."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            self.states()
            left = [name for name in jobs if name in self._running]
            if not left:
                return
            for name in left:  # again and again: a process that begins may not listen yet
                with suppress(ProcessLookupError):
                    os.kill(int(name), signal.SIGTERM)
            time.sleep(0.2)
