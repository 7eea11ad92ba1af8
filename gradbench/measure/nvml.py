"""A GPU's clock and what holds it back, through nvidia-ml-py where it is installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
        nvml: The module ``pynvml``, initialised.
        handle: NVML's handle of the GPU.
    """

    nvml: Any
    handle: Any

    def read(self) -> GpuReading:
        """Ask for the clock and for what holds it back; what is not told is left out."""
        nvml = self.nvml
        try:
            clock_hz = 1e6 * nvml.nvmlDeviceGetClockInfo(self.handle, nvml.NVML_CLOCK_SM)
        except nvml.NVMLError:
            clock_hz = None
        try:
            mask = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self.handle)
        except nvml.NVMLError:
            mask = 0
        return GpuReading(clock_hz, tuple(word for bit, word in THROTTLES.items() if mask & bit))


def open_gpu(device: torch.device) -> Gpu | None:
    """Find the GPU behind a device.

    Args:
        device: PyTorch's device; its index counts what CUDA_VISIBLE_DEVICES leaves visible, so
            that NVML finds it by its UUID.

    Returns:
        The GPU; None for a device that is no CUDA one, without nvidia-ml-py, or where NVML cannot
        be asked: a measurement does without.
    """
    if device.type != "cuda":
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
        if uuid is None:  # before PyTorch 2.4
            handle = pynvml.nvmlDeviceGetHandleByIndex(device.index or 0)
        else:
            handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError:
        return None
    return Gpu(pynvml, handle)
