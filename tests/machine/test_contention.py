import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gradbench.block.axes import instantiate_axes
from gradbench.block.rows import cell_rows
from gradbench.block.run import measure_block
from gradbench.machine import contention
from gradbench.machine.contention import Clocks, Contention, Watch
from gradbench.machine.gpu import Gpu, GpuReading, open_gpu
from gradbench.request.block import Block
from gradbench.statistics.estimates import Estimates
from tests.conftest import TINY

START = Clocks(wall_s=100.0, busy_s=50.0, stolen_s=1.0, own_s=5.0, waited_s=0.5, switches=7)
"""Ten seconds later the process has had ten seconds of a processor, nobody else any."""
QUIET = Clocks(wall_s=110.0, busy_s=60.0, stolen_s=1.0, own_s=15.0, waited_s=0.5, switches=17)
CPU = torch.device("cpu")
Watched = Callable[[list[int], list[int]], Contention]


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contention, "_processors", lambda: 2)


def seen(now: Clocks = QUIET, switched: float = 0.0, slow: float = 0.0) -> Contention:
    return Watch(CPU, START).end(switched=switched, slow=slow, now=now)


def test_a_quiet_machine_has_no_reason() -> None:
    quiet = seen()
    assert quiet.reason is None
    assert (quiet.elsewhere, quiet.steal, quiet.waiting) == (0.0, 0.0, 0.0)
    assert quiet.switches_per_s == pytest.approx(1.0)
    assert seen(switched=0.01, slow=0.02).reason is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"busy_s": 70.0}, "other processes used 1.0 of 2 processors"),
        ({"stolen_s": 3.0}, "a hypervisor took 10% of the processors' time"),
        ({"waited_s": 3.0}, "its threads waited 20% of their time for a processor"),
    ],
)
def test_each_cause_is_said_alone(change: dict[str, float], words: str) -> None:
    assert seen(replace(QUIET, **change)).reason == words  # type: ignore[arg-type]


def test_causes_are_said_together() -> None:
    reason = seen(replace(QUIET, busy_s=75.0), switched=0.5, slow=0.6).reason
    assert reason is not None
    assert reason.split("; ") == [
        "other processes used 1.5 of 2 processors",
        "it was switched out in 50% of the samples",
        "memory was slow in 60% of the rounds",
    ]


def test_a_system_that_does_not_tell_waiting_is_not_accused() -> None:
    unknown = seen(replace(QUIET, waited_s=None))
    assert unknown.waiting is None
    assert unknown.reason is None


def test_ticks_of_a_short_measurement_say_nothing() -> None:
    start = replace(START, stolen_s=0.0)
    short = replace(start, wall_s=100.02, busy_s=50.04, stolen_s=0.01, own_s=5.01)
    assert Watch(CPU, start).end(switched=0.0, slow=0.0, now=short).reason is None


def test_the_counters_of_this_machine_only_rise() -> None:
    first = Clocks.now()
    torch.randn(300, 300).mm(torch.randn(300, 300))
    last = Clocks.now()
    assert last.own_s > first.own_s
    assert last.busy_s >= first.busy_s
    assert last.stolen_s >= first.stolen_s
    assert last.switches >= first.switches


class NVMLError(Exception):
    pass


def fake_nvml(clocks: list[int], masks: list[int]) -> Any:
    """Stands for pynvml: clocks in MHz and reasons, reading after reading; 0 MHz is an error."""
    found = []

    def clock(handle: str, kind: int) -> int:
        assert (handle, kind) == ("handle", 1)
        mhz = clocks.pop(0)
        if not mhz:
            raise NVMLError
        return mhz

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "570.86.15",
        nvmlDeviceGetHandleByUUID=lambda uuid: found.append(uuid) or "handle",
        nvmlDeviceGetClockInfo=clock,
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: masks.pop(0),
        found=found,
    )


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    def watched(clocks: list[int], masks: list[int]) -> Contention:
        monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(clocks, masks))
        watch = Watch(CPU, START, Gpu("handle"))
        for _ in range(len(clocks)):
            watch.look()
        return watch.end(switched=0.0, slow=0.0, now=QUIET)

    return watched


def test_a_gpu_at_its_clock_has_no_reason(watched: Watched) -> None:
    idle, asked = 0x1, 0x2
    assert watched([1980, 1970], [idle, asked]).reason is None


def test_a_gpu_that_throttles_says_why(watched: Watched) -> None:
    hot = watched([1980, 1965], [0x40, 0x40 | 0x4])
    assert hot.reason == "the GPU throttled: thermal slowdown by hardware, power cap"


def test_a_clock_that_falls_is_seen(watched: Watched) -> None:
    assert watched([1980, 1410], [0, 0]).reason == "the GPU's clock fell from 1980 to 1410 MHz"


def test_a_gpu_that_tells_no_clock_is_not_accused(watched: Watched) -> None:
    silent = watched([0, 0], [0, 0])
    assert silent.gpu == (GpuReading(None, ()),) * 2
    assert silent.reason is None


def test_the_gpu_is_found_by_its_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = fake_nvml([1000], [0])
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    properties = SimpleNamespace(uuid="12-34")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    gpu = open_gpu(torch.device("cuda", 0))
    assert gpu is not None
    assert nvml.found == ["GPU-12-34"]
    assert gpu.read().clock_hz == 1e9


def test_no_nvml_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_gpu(CPU) is None
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert open_gpu(torch.device("cuda", 0)) is None

    def no_driver() -> None:
        raise NVMLError

    broken = fake_nvml([], [])
    broken.nvmlInit = no_driver
    monkeypatch.setitem(sys.modules, "pynvml", broken)
    assert open_gpu(torch.device("cuda", 0)) is None


@pytest.mark.parametrize("busy", [False, True])
def test_a_busy_block_says_so_in_its_rows_and_does_not_stop_early(
    busy: bool, plan: Callable[..., Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = seen(replace(QUIET, busy_s=70.0) if busy else QUIET)
    monkeypatch.setattr(Watch, "end", lambda self, **shares: machine)
    monkeypatch.setattr(Estimates, "converged", lambda self, cell, precision: True)
    easy = (
        "measurement.margin=10",
        "measurement.min_replicates=6",
        "measurement.replicates=9",
        "strategy=[no_grad]",
    )
    block = plan(*TINY, *easy, "measurement.verify_updates=2", "zeroing=[set_to_none]")
    measured = measure_block(block, lambda *_: None)
    rows = cell_rows(block, instantiate_axes(block).rule, measured)
    timed = [row for row in rows if row.get("update_s")]
    assert timed
    for row in timed:
        assert row["contention"] == machine.reason
        assert row["elsewhere_processors"] == pytest.approx(1.0 if busy else 0.0)
        assert row["stopped_by"] == ("budget" if busy else "precision")
