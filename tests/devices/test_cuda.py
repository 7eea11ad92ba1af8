"""What a CUDA device says of itself, with a stand-in for its driver."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gradbench.devices import cuda
from gradbench.devices.cuda import Cuda

MODULE = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build\n"


@pytest.mark.usefixtures("two_gpus")
def test_its_driver_is_told_by_the_kernel_or_by_nvml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = tmp_path / "version"
    monkeypatch.setattr(cuda, "_KERNEL_MODULE", version)
    assert Cuda().driver() == "570.86.15"
    version.write_text(MODULE)
    assert Cuda().driver() == "550.54.15"


@pytest.mark.usefixtures("two_gpus")
def test_its_highest_clock_is_told_by_nvml_or_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(uuid="aaaa")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    assert Cuda().clock_hz() == 1.98e9
    properties.uuid = "dddd"  # not known to NVML
    assert Cuda().clock_hz() is None
    properties.clock_rate = 1_410_000
    assert Cuda().clock_hz() == 1.41e9
