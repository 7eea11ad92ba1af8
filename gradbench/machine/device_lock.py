"""One block at a time on each device of a machine, whoever measures it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gradbench.machine.gpu import visible_gpus
from gradbench.machine.held_file import held

_FOR_ALL = 0o666
"""Permissions: another user's block must be able to hold the same file."""


@contextmanager
def device_to_itself(device: str, index: int, wait: Callable[[], object]) -> Iterator[None]:
    """Keep other submitted blocks off a device.

    A block of the CPU excludes every other; one of a GPU those of that GPU and those of the CPU.

    Args:
        device: Name of the device: cpu or cuda.
        index: Which one of those that this process sees.
        wait: Called before waiting for another block.

    Yields:
        Nothing, once the device is this process's.
    """
    gpus = visible_gpus() if device == "cuda" else []
    with ExitStack() as taken:
        if 0 <= index < len(gpus):
            taken.enter_context(held(_file(gpus[index]), wait, _FOR_ALL))
            with held(_file("cpu"), wait, _FOR_ALL):
                pass  # no block of the CPU runs, and the next one waits for this GPU
        else:
            _take_all(taken, wait)
        yield


def _take_all(taken: ExitStack, wait: Callable[[], object]) -> None:
    """Hold the file of every GPU that was ever measured here, then the CPU's.

    By the files, as a job may see no GPU; in one order, so that no two wait for each other.
    """
    while True:
        gpus = _gpu_files()
        with ExitStack() as trial:
            for file in (*gpus, _file("cpu")):
                trial.enter_context(held(file, wait, _FOR_ALL))
            if _gpu_files() == gpus:  # otherwise one was measured for the first time meanwhile
                taken.push(trial.pop_all())
                return


def _gpu_files() -> list[Path]:
    return sorted({*lock_folder().glob("gradbench_*.lock")} - {_file("cpu")})


def _file(name: str) -> Path:
    word = re.sub(r"[^\w.-]+", "_", name)
    return lock_folder() / f"gradbench_{word}.lock"


def lock_folder() -> Path:
    """Return a folder that all users of a machine share, and no other machine."""
    shared = Path("/dev/shm")  # TMPDIR may be a job's own
    return shared if shared.is_dir() else Path(tempfile.gettempdir())
