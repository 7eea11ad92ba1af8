"""One maker for each file of a run, and nothing left of those that were killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from gradbench.errors import Unwritable
from gradbench.machine.held_file import held


@contextmanager
def claim(file: Path, wait: Callable[[], object]) -> Iterator[None]:
    """Be the only process that makes a file; whoever comes second waits here.

    Args:
        file: What is to be made; its folder is made, and removed again if it stays empty.
        wait: Called before waiting for another process.

    Yields:
        Nothing, once the file is this process's to make. It may be there by now.

    Raises:
        Unwritable: The folder cannot be written, or was removed meanwhile.
    """
    lock = file.with_name(f".{file.stem}.lock")
    missing = [folder for folder in lock.parents if not folder.exists()]
    with ExitStack() as claimed:
        try:
            claimed.enter_context(held(lock, wait))
            own = lock.stat()
        except OSError as error:
            why = error.strerror or error
            raise Unwritable(f"{file.parent} cannot be written: {why}") from error
        try:
            yield
        finally:
            there = _is_at(lock, own)
            if there:  # removed before it is let go: who waits for it looks again
                lock.unlink(missing_ok=True)
            for folder in missing:  # the innermost first
                with suppress(OSError):
                    folder.rmdir()
    if not there:
        raise Unwritable(f"{file.parent} was removed or replaced while its results were written")


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left half-written in a run; what is held by one stays.

    Args:
        folder: Of a run.
    """
    for pattern in (".*.partial", ".*.lock"):
        for file in folder.glob(f"*/{pattern}"):
            with suppress(OSError), held(file):  # otherwise held, or somebody else's
                file.unlink()


def _is_at(file: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(file.stat(), status)
    except OSError:
        return False
