"""How long this process's threads could have run and were not let."""

from __future__ import annotations

import contextlib
import os
import time
import weakref

_THREADS = "/proc/self/task"
_FRESH_S = 0.05
_LINE = 64


class RunQueue:
    """Reads the run-queue delay of all threads of the process.

    A call whose work is shared by threads waits for the one that waits for a processor, though its
    own thread never does. On Linux each thread's delay is in its ``schedstat``, exact to the
    nanosecond; files that are kept open are read in a few microseconds.

    Source: Linux, Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat.
    """

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._listed_s = -1.0
        weakref.finalize(self, _close, self._files)

    def waited_s(self) -> float | None:
        """Add up the threads' delays.

        Threads that begin are found within 50 ms; one that ends takes its delay with it.

        Returns:
            Seconds; None where the system does not tell them.
        """
        if time.perf_counter() - self._listed_s > _FRESH_S:
            self._list()
        waited_ns = 0
        try:
            for file in self._files.values():
                waited_ns += int(os.pread(file, _LINE, 0).split()[1])
        except (OSError, IndexError, ValueError):  # a thread that ended since
            self._listed_s = -1.0
            return None
        return waited_ns / 1e9 if self._files else None

    def _list(self) -> None:
        """Open the files of new threads, and close those of ended ones."""
        self._listed_s = time.perf_counter()
        try:
            threads = os.listdir(_THREADS)
        except OSError:
            return
        for ended in self._files.keys() - set(threads):
            os.close(self._files.pop(ended))
        for thread in set(threads) - self._files.keys():
            with contextlib.suppress(OSError):
                self._files[thread] = os.open(f"{_THREADS}/{thread}/schedstat", os.O_RDONLY)


def since(earlier: float | None, later: float | None) -> float | None:
    """Subtract two readings.

    Args:
        earlier: The first, in seconds.
        later: The second, in seconds.

    Returns:
        Seconds between them, none below 0; None where one is unknown.
    """
    return None if earlier is None or later is None else max(later - earlier, 0.0)


def _close(files: dict[str, int]) -> None:
    for file in files.values():
        with contextlib.suppress(OSError):
            os.close(file)
