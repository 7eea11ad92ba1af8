import threading
from pathlib import Path

import pytest

from gradbench.machine import device_lock
from gradbench.machine.device_lock import device_to_itself


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
