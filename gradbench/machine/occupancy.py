"""Whether a block had its device to itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from gradbench.machine.gpu import processes_on, visible_gpus


def others_on_device(device: str, index: int) -> list[str] | None:
    """Look who else is on a device now.

    On a GPU, that is every other process; on the CPU of a cluster's node, every other job.

    Args:
        device: Name of the device that this process measures on: cpu or cuda.
        index: Which one of those that this process sees.

    Returns:
        What was seen, nothing if the device is this process's alone; None where nobody can tell.
    """
    if device == "cuda":
        return _others_on_gpu(index)
    if device == "cpu" and "SLURM_JOB_ID" in os.environ:
        return _other_jobs_on_node()
    return None


def sharing_columns(seen: Iterable[list[str] | None]) -> dict[str, Any]:
    """Say in columns whether a device was shared.

    Args:
        seen: What was seen there at several times.

    Returns:
        Columns ``exclusive`` and ``shared_with`` of ``cells``.
    """
    looks = list(seen)
    found = list(dict.fromkeys(other for look in looks for other in look or ()))
    if found:
        return {"exclusive": False, "shared_with": ", ".join(found)}
    return {"exclusive": None if None in looks else True, "shared_with": None}


def _others_on_gpu(index: int) -> list[str] | None:
    gpus = visible_gpus()
    if not 0 <= index < len(gpus):
        return None
    pids = processes_on(gpus[index])
    if pids is None:
        return None
    # A container counts processes anew: then this one goes by a number that it does not know.
    others = [pid for pid in pids if pid != os.getpid()]
    if len(others) == len(pids) and _computes_on_gpu():
        others = others[1:]
    return [f"process {pid}" for pid in others]


def _computes_on_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_initialized())


def _other_jobs_on_node(environment: Mapping[str, str] = os.environ) -> list[str] | None:
    node = environment.get("SLURMD_NODENAME")
    if node is None:
        return None
    command = ["squeue", "--noheader", "--states=R,S", f"--nodelist={node}", "--format=%A %i"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    jobs = [line.split() for line in answer.stdout.splitlines() if line.strip()]
    return [f"Slurm job {name}" for job, name in jobs if job != environment["SLURM_JOB_ID"]]
