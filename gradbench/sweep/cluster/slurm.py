"""Jobs submitted to Slurm: arrays by submitit, states by squeue, which needs no accounting."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradbench.errors import BadRequest
from gradbench.sweep.cluster.base import State
from gradbench.sweep.cluster.job import Job

_LONGEST_ARRAY = 1000
"""Slurm's MaxArraySize is 1001 unless configured."""

_GONE = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "REVOKED", "TIMEOUT"),
}
_RUNNING = {"COMPLETING", "RUNNING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"}
_GENERIC = {
    *("name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node"),
    *("tasks_per_node", "stderr_to_stdout"),
}
"""Options that submitit has for every cluster; those of Slurm alone have its name before theirs."""


@dataclass(frozen=True)
class Slurm:
    """A cluster run by Slurm.

    Args:
        folder: For scripts, logs and pickled jobs, on the file system that all nodes share.
        options: Resolved ``hydra.launcher``.

    Source: Slurm's sbatch(1), squeue(1), scancel(1); submitit.
    """

    folder: Path
    options: Mapping[str, Any]

    def submit(self, waiting: Sequence[Job]) -> dict[str, Job]:
        """Submit all jobs, as few arrays."""
        from submitit.core.utils import FailedJobError

        submitted: dict[str, Job] = {}
        try:
            executor = self._executor()
            for start in range(0, len(waiting), _LONGEST_ARRAY):
                chunk = waiting[start : start + _LONGEST_ARRAY]
                with executor.batch():
                    jobs = [executor.submit(job) for job in chunk]
                submitted |= dict(zip((job.job_id for job in jobs), chunk, strict=True))
        except (AssertionError, FailedJobError, NameError, OSError, RuntimeError, ValueError) as e:
            self.cancel(list(submitted))
            raise BadRequest(f"hydra/launcher=slurm: {_last_line(e)}") from e
        return submitted

    def _executor(self) -> Any:
        """Turn Hydra's options into submitit's executor, as hydra-submitit-launcher does."""
        import submitit

        options = dict(self.options)
        extra = options.pop("additional_parameters", None) or {}
        flags = {key: value for key, value in extra.items() if value not in (None, False)}
        retries = options.pop("max_num_timeout", 0)
        executor = submitit.AutoExecutor(
            self.folder, cluster="slurm", slurm_max_num_timeout=retries
        )
        prefixed = {
            key if key in _GENERIC else f"slurm_{key}": value for key, value in options.items()
        }
        executor.update_parameters(**prefixed, slurm_additional_parameters=flags)
        return executor

    def states(self) -> dict[str, State] | None:
        """Ask squeue for this user's jobs, and those that ended in the last minutes."""
        command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r|%N"]
        try:
            answer = subprocess.run(
                [*command, f"--user={os.getuid()}"],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return {job: state for job, state in map(_read_state, answer.stdout.splitlines())}

    def cancel(self, jobs: Sequence[str]) -> None:
        """Have scancel end jobs."""
        if jobs:
            subprocess.run(["scancel", *jobs], capture_output=True, timeout=60, check=False)


def _read_state(line: str) -> tuple[str, State]:
    """Read a line of squeue: id, state, why it waits, node."""
    job, state, reason, node = (*line.strip().split("|"), "", "", "")[:4]
    if state in _GONE:
        return job, State("gone", f"Slurm job {job} is {state}" + (f" on {node}" if node else ""))
    if state in _RUNNING:
        return job, State("running", node)
    return job, State("waiting", reason if reason not in ("", "None") else state)


def _last_line(error: Exception) -> str:
    """Take from what submitit raised the line in which Slurm says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("sbatch:", "srun:"))]
    return (told or lines or [type(error).__name__])[0]
