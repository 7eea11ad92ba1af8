import os
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from gradbench.machine import device_lock
from gradbench.machine.device_lock import device_to_itself

_NOBODY = 65534


@pytest.fixture(autouse=True)
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_lock, "lock_folder", lambda: tmp_path)
    monkeypatch.setattr(device_lock, "visible_gpus", lambda: ["GPU-a", "GPU-b"])


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [
        (("cpu", 0), ("cpu", 0), True),
        (("cuda", 0), ("cuda", 0), True),
        (("cuda", 0), ("cuda", 1), False),
        (("cpu", 0), ("cuda", 1), True),
        (("cuda", 1), ("cpu", 0), True),
    ],
)
def test_who_waits_for_whom(first: tuple[str, int], second: tuple[str, int], waits: bool) -> None:
    waiting, entered = threading.Event(), threading.Event()

    def enter() -> None:
        with device_to_itself(*second, waiting.set):
            entered.set()

    thread = threading.Thread(target=enter)
    with device_to_itself(*first, pytest.fail):
        thread.start()
        if waits:
            assert waiting.wait(10)
            assert not entered.is_set()
        else:
            assert entered.wait(10)
    thread.join(10)
    assert entered.is_set()
    assert waiting.is_set() == waits


def test_a_block_of_the_cpu_waits_for_a_gpu_that_it_does_not_see(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting, entered = threading.Event(), threading.Event()

    def enter() -> None:
        with device_to_itself("cpu", 0, waiting.set):
            entered.set()

    thread = threading.Thread(target=enter)
    with device_to_itself("cuda", 1, pytest.fail):
        monkeypatch.setattr(device_lock, "visible_gpus", list)
        thread.start()
        assert waiting.wait(10)
        assert not entered.is_set()
    thread.join(10)
    assert entered.is_set()


def test_a_block_of_the_cpu_waits_for_a_gpu_that_is_measured_for_the_first_time() -> None:
    waiting, entered = threading.Event(), threading.Event()

    def enter() -> None:
        with device_to_itself("cpu", 0, waiting.set):
            entered.set()

    thread = threading.Thread(target=enter)
    with ExitStack() as second:
        with device_to_itself("cuda", 0, pytest.fail):
            thread.start()
            assert waiting.wait(10)
            second.enter_context(device_to_itself("cuda", 1, pytest.fail))
        assert not entered.wait(0.5)
    thread.join(10)
    assert entered.is_set()


def test_blocks_of_gpus_and_of_the_cpu_at_once_never_share() -> None:
    running: list[str] = []
    shared: list[tuple[str, ...]] = []
    change = threading.Lock()

    def measure(device: str, index: int) -> None:
        name = f"{device}:{index}"
        for _ in range(4):
            with device_to_itself(device, index, lambda: None):
                with change:
                    running.append(name)
                    if running.count(name) > 1 or ("cpu:0" in running and len(running) > 1):
                        shared.append(tuple(running))
                time.sleep(0.01)
                with change:
                    running.remove(name)

    blocks = [("cpu", 0), ("cpu", 0), ("cuda", 0), ("cuda", 0), ("cuda", 1)]
    threads = [threading.Thread(target=measure, args=block) for block in blocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert shared == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be another user")
def test_another_users_block_holds_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:  # tmp_path is its owner's alone
        Path(folder).chmod(0o1777)
        monkeypatch.setattr(device_lock, "lock_folder", lambda: Path(folder))
        for block in (("cuda", 0), ("cpu", 0)):
            with device_to_itself(*block, pytest.fail):
                pass
        os.seteuid(_NOBODY)
        try:
            with device_to_itself("cpu", 0, pytest.fail), pytest.raises(PermissionError):
                Path(folder, "gradbench_cpu.lock").unlink()
        finally:
            os.seteuid(0)
