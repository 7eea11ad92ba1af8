import time

import pytest
import torch

from gradbench.devices.base import Device
from tests.conftest import make


def test_it_is_described(hardware: Device) -> None:
    assert hardware.describe()
    assert 0 < hardware.free_bytes() <= hardware.total_bytes()


def test_time_covers_all_calls(hardware: Device) -> None:
    timing = hardware.time(lambda: time.sleep(0.002), 5)
    assert 0.010 <= timing.host_s <= timing.wall_s < 1.0


def test_peak_memory_is_what_was_allocated_at_once(hardware: Device) -> None:
    size = 1 << 20

    def call() -> None:
        first = torch.ones(size, device=hardware.torch_device)
        del first
        torch.ones(2 * size, device=hardware.torch_device)

    call()
    assert hardware.count(call).peak_extra_bytes == 2 * size * 4


def test_in_place_call_needs_no_memory(hardware: Device) -> None:
    x = torch.ones(1 << 16, device=hardware.torch_device)
    counts = hardware.count(x.neg_)
    assert (counts.launches, counts.peak_extra_bytes) == (1, 0)


def test_launches_are_counted_and_repeat(hardware: Device) -> None:
    x = torch.ones(16, device=hardware.torch_device)

    def call() -> None:
        for _ in range(7):
            x.neg_()

    assert hardware.count(call) == hardware.count(call)
    assert hardware.count(call).launches == 7


def test_cuda_says_why_it_is_not_there() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    reason = make("device", "cuda").unavailable()
    assert reason is not None
    assert "CUDA" in reason


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_device_time_is_a_figure_of_its_own() -> None:
    cuda: Device = make("device", "cuda")
    x = torch.ones(1 << 26, device="cuda")
    timing = cuda.time(lambda: x.add_(1), 10)
    assert timing.device_s is not None
    assert timing.host_s < timing.device_s <= timing.wall_s
