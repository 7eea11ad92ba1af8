"""The standard output kept free: what would be written to it goes to the standard error."""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress


@contextmanager
def stdout_aside() -> Iterator[None]:
    """Send what is written to the standard output to the standard error meanwhile.

    That of C code and of other processes too; and at the end of this process once more, for what
    the program has left to be done then.

    Yields:
        Nothing.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        os.dup2(kept, 1)
        os.close(kept)
        atexit.register(_aside)


def _aside() -> None:
    """Give the standard output away; what was registered before, the program's, runs later."""
    _flush()
    os.dup2(2, 1)


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr]
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).fflush(None)  # what C code has printed waits in a buffer of its own
