"""The GPUs of this machine as nvidia-smi names them, without torch."""

from __future__ import annotations

import os
import shutil
import subprocess


def visible_gpus() -> list[str]:
    """List the GPUs that CUDA shows to this process.

    Returns:
        UUIDs in the order of the PCI bus, which is CUDA's where ``CUDA_DEVICE_ORDER`` is
        ``PCI_BUS_ID``; none where there is no nvidia-smi.

    Source: "CUDA Environment Variables" in NVIDIA's CUDA C++ Programming Guide.
    """
    rows = _query("--query-gpu=index,uuid")
    uuids = {index: uuid for index, uuid in rows}
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return list(uuids.values())
    found = []
    for word in (word.strip() for word in chosen.split(",")):
        known = [uuid for index, uuid in uuids.items() if index == word or uuid.startswith(word)]
        if not word or not known:
            break  # CUDA ignores what follows an unknown one
        found.append(known[0])
    return found


def processes_on(gpu: str) -> list[int]:
    """List the processes that compute on a GPU.

    Args:
        gpu: Its UUID.

    Returns:
        Their ids, as the driver counts them: a container may count differently.
    """
    rows = _query("--query-compute-apps=gpu_uuid,pid")
    return [int(pid) for uuid, pid in rows if uuid == gpu and pid.isdecimal()]


def _query(what: str) -> list[list[str]]:
    """Ask nvidia-smi for two columns."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", what, "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.stdout.splitlines()]
    return [row for row in rows if len(row) == 2]
