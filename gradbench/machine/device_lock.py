"""One block at a time on each device of a machine, whoever measures it."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gradbench.machine.gpu import visible_gpus


@contextmanager
def device_to_itself(device: str, index: int, wait: Callable[[], object]) -> Iterator[None]:
    """Keep other submitted blocks off a device.

    A block of the CPU excludes every other; one of a GPU those of that GPU and those of the CPU.

    Args:
        device: Name of the device: cpu or cuda.
        index: Which one of those that this process sees.
        wait: Called once before waiting for another block.

    Yields:
        Nothing, once the device is this process's.
    """
    gpus = visible_gpus() if device == "cuda" else []
    with ExitStack() as held:
        if 0 <= index < len(gpus):
            held.enter_context(_lock(gpus[index], fcntl.LOCK_EX, wait))
            held.enter_context(_lock("cpu", fcntl.LOCK_SH, wait))
        else:
            held.enter_context(_lock("cpu", fcntl.LOCK_EX, wait))
        yield


@contextmanager
def _lock(name: str, kind: int, wait: Callable[[], object]) -> Iterator[None]:
    word = re.sub(r"[^\w.-]+", "_", name)
    handle = _open(lock_folder() / f"gradbench_{word}.lock")
    try:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)


def lock_folder() -> Path:
    """Return a folder that all users of a machine share, and no other machine."""
    shared = Path("/dev/shm")  # TMPDIR may be a job's own
    return shared if shared.is_dir() else Path(tempfile.gettempdir())


def _open(file: Path) -> int:
    """Open a file for its lock; Linux refuses to open others' for writing in a shared folder."""
    try:
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(file, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
