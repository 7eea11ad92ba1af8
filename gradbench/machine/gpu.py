"""The GPUs of this machine: all that is asked of their driver, through NVML and without torch.

NVML is opened by the process that asks, at its first question, and never at import: workers are
forked from a server that has imported this.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

THROTTLES = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal slowdown by software",
    0x40: "thermal slowdown by hardware",
    0x80: "power brake",
}
"""Reasons by bit; idle clocks, clocks asked for and display settings are no throttling.

Source: NVML API reference, nvmlClocksEventReasons, formerly nvmlClocksThrottleReasons.
"""

_CLOCK_SM = 1
"""NVML's number for the clock of the multiprocessors."""


@dataclass(frozen=True)
class GpuReading:
    """What a GPU said at one moment.

    Args:
        clock_hz: Clock of its multiprocessors, in Hz; None where it is not told.
        throttled: What held the clock back, in words.
    """

    clock_hz: float | None
    throttled: tuple[str, ...]


@dataclass(frozen=True)
class Gpu:
    """A GPU that can be asked.

    Args:
        handle: NVML's handle of it.
    """

    handle: Any

    def read(self) -> GpuReading:
        """Ask for the clock and for what holds it back; what is not told is left out."""
        mask = _ask("nvmlDeviceGetCurrentClocksThrottleReasons", self.handle) or 0
        throttled = tuple(word for bit, word in THROTTLES.items() if mask & bit)
        return GpuReading(_hertz(_ask("nvmlDeviceGetClockInfo", self.handle, _CLOCK_SM)), throttled)

    def highest_clock_hz(self) -> float | None:
        """Return the highest clock of its multiprocessors, in Hz; None where it is not told."""
        return _hertz(_ask("nvmlDeviceGetMaxClockInfo", self.handle, _CLOCK_SM))


def open_gpu(device: torch.device) -> Gpu | None:
    """Find the GPU behind a device.

    Args:
        device: PyTorch's device; its index counts what CUDA_VISIBLE_DEVICES leaves visible, so
            that NVML finds it by its UUID.

    Returns:
        The GPU; None for a device that is no CUDA one, or where NVML cannot be asked: a
        measurement does without.
    """
    if device.type != "cuda" or driver_version() is None:
        return None
    import torch

    uuid = torch.cuda.get_device_properties(device).uuid
    handle = _ask("nvmlDeviceGetHandleByUUID", f"GPU-{uuid}")
    return None if handle is None else Gpu(handle)


def visible_gpus() -> list[str]:
    """List the GPUs that CUDA shows to this process.

    Returns:
        UUIDs in the order of the PCI bus, which is CUDA's where ``CUDA_DEVICE_ORDER`` is
        ``PCI_BUS_ID``; none where NVML cannot be asked.

    Source: "CUDA Environment Variables" in NVIDIA's CUDA C++ Programming Guide.
    """
    uuids = _uuids()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return uuids
    found = []
    for word in (word.strip() for word in chosen.split(",")):
        known = [uuid for i, uuid in enumerate(uuids) if str(i) == word or uuid.startswith(word)]
        if not word or not known:
            break  # CUDA ignores what follows an unknown one
        found.append(known[0])
    return found


def processes_on(gpu: str) -> list[int] | None:
    """List the processes that compute on a GPU.

    Args:
        gpu: Its UUID.

    Returns:
        Their ids, as the driver counts them: a container may count differently; None where NVML
        does not tell.
    """
    handle = _ask("nvmlDeviceGetHandleByUUID", gpu)
    if handle is None:
        return None
    processes = _ask("nvmlDeviceGetComputeRunningProcesses", handle)
    return None if processes is None else [process.pid for process in processes]


def driver_version() -> str | None:
    """Return the version of the driver; None where NVML cannot be asked."""
    version = _ask("nvmlSystemGetDriverVersion")
    return None if version is None else str(version)


def _uuids() -> list[str]:
    found = []
    for index in range(_ask("nvmlDeviceGetCount") or 0):
        handle = _ask("nvmlDeviceGetHandleByIndex", index)
        if handle is not None:  # a cluster counts GPUs that this job may not use
            bus = _ask("nvmlDeviceGetPciInfo", handle)
            found.append((bus.busId if bus else "", _ask("nvmlDeviceGetUUID", handle)))
    return [uuid for _, uuid in sorted(found) if uuid]


def _hertz(megahertz: int | None) -> float | None:
    return megahertz * 1e6 if megahertz else None


def _ask(question: str, *about: Any) -> Any:
    """Ask NVML; None where it is not there, or does not tell."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()  # opens the driver the first time, and only counts from then on
        return getattr(pynvml, question)(*about)
    except pynvml.NVMLError:
        return None
