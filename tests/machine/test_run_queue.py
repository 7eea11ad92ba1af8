"""How long threads could have run and were not let."""

import os
from pathlib import Path

import pytest

from gradbench.machine import run_queue
from gradbench.machine.run_queue import RunQueue, since

linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux tells it")


@pytest.fixture
def threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_queue, "_THREADS", str(tmp_path))
    monkeypatch.setattr(run_queue, "_FRESH_S", 0.0)
    return tmp_path


def wait(threads: Path, thread: str, nanoseconds: int) -> None:
    folder = threads / thread
    folder.mkdir(exist_ok=True)
    (folder / "schedstat").write_text(f"12345 {nanoseconds} 7\n")


def test_the_threads_waits_are_added_up(threads: Path) -> None:
    wait(threads, "1", 2_000)
    queue = RunQueue()
    assert queue.waited_s() == pytest.approx(2e-6)
    wait(threads, "2", 500_000)  # a thread that begins
    wait(threads, "1", 3_000)
    assert queue.waited_s() == pytest.approx(503e-6)


def test_a_thread_that_ends_is_left_out_and_its_file_closed(threads: Path) -> None:
    wait(threads, "1", 2_000)
    wait(threads, "2", 4_000)
    queue = RunQueue()
    assert queue.waited_s() == pytest.approx(6e-6)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    (threads / "2/schedstat").unlink()
    (threads / "2").rmdir()
    assert queue.waited_s() == pytest.approx(2e-6)
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before - 1


def test_a_system_that_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_queue, "_THREADS", str(tmp_path / "absent"))
    assert RunQueue().waited_s() is None
    assert since(None, 1.0) is None
    assert since(1.0, None) is None
    assert since(2.0, 1.0) == 0.0  # a thread took its wait with it
    assert since(1.0, 2.5) == 1.5


@linux
def test_this_process_is_told_its_waits() -> None:
    queue = RunQueue()
    first, second = queue.waited_s(), queue.waited_s()
    assert first is not None
    assert second is not None
    assert second >= first >= 0
