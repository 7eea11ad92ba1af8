"""Busy processes beside a measurement, begun and ended here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_PROGRAM = Path(__file__).with_name("hog.py")
_WARM_S = 0.05
_PATIENCE_S = 10.0


@contextmanager
def busy(processes: int) -> Iterator[list[int]]:
    """Keep processes busy: each counts and copies memory, on a core of its own if there is one.

    They end with the block, however it ends, and by themselves if this process is killed.

    Args:
        processes: How many.

    Yields:
        Their process ids, once each is at work.

    Raises:
        RuntimeError: One ended by itself.
    """
    hogs: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(processes):
            with _uninterrupted():
                hogs.append(_begin())
        for hog in hogs:
            _await_work(hog)
        yield [hog.pid for hog in hogs]
    finally:
        for hog in hogs:
            hog.kill()
        for hog in hogs:
            hog.wait()


def _begin() -> subprocess.Popen[bytes]:
    """Begin a hog, in a session of its own: Ctrl-C reaches this process, and this one ends it."""
    return subprocess.Popen(
        [sys.executable, "-S", str(_PROGRAM), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold signals back, so that no process is begun without being known."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await_work(hog: subprocess.Popen[bytes]) -> None:
    """Wait until a process has used some time of a core."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if hog.poll() is not None:
            raise RuntimeError(f"a busy process ended by itself with status {hog.returncode}")
        if psutil.Process(hog.pid).cpu_times().user >= _WARM_S:
            return
        time.sleep(0.01)
