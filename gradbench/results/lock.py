"""Files that a process holds while it lives: the kernel lets go of them, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gradbench.errors import Unwritable

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What a file system without flock(2) answers: there, nothing is held."""


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
    missing = [folder for folder in (lock.parent, *lock.parent.parents) if not folder.exists()]
    try:
        handle = hold(lock, wait)
    except OSError as error:
        why = error.strerror or error
        raise Unwritable(f"{file.parent} cannot be written: {why}") from error
    try:
        yield
        held = _is_at(handle, lock)
    finally:
        if _is_at(handle, lock):
            lock.unlink(missing_ok=True)
        os.close(handle)
        for folder in missing:  # the innermost first
            with suppress(OSError):
                folder.rmdir()
    if not held:
        raise Unwritable(f"{file.parent} was removed or replaced while its results were written")


def hold(file: Path, wait: Callable[[], object] | None = None) -> int:
    """Open a file, made if need be, that nobody else holds.

    Args:
        file: Its path.
        wait: Called once before waiting for another process.

    Returns:
        A descriptor; what holds the file is that it is open.

    Raises:
        OSError: The folder cannot be written.
    """
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:  # another process has just removed the empty folder
            continue
        try:
            if not _lock(handle, fcntl.LOCK_NB):
                if wait is not None:
                    wait()
                    wait = None
                _lock(handle)
            if _is_at(handle, file):  # otherwise its last holder has just removed it
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left half-written in a run; what is held by one stays.

    Args:
        folder: Of a run.
    """
    for pattern in (".*.partial", ".*.lock"):
        for file in folder.glob(f"*/{pattern}"):
            with suppress(OSError):  # somebody else's, or just gone
                handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
                try:
                    if _lock(handle, fcntl.LOCK_NB) and _is_at(handle, file):
                        file.unlink(missing_ok=True)
                finally:
                    os.close(handle)


def is_held(file: Path) -> bool:
    """Say whether a process holds a file.

    Args:
        file: Its path.

    Returns:
        Whether one does; not if there is no such file.
    """
    try:
        handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _lock(handle, fcntl.LOCK_NB)
    finally:
        os.close(handle)


def _lock(handle: int, flags: int = 0) -> bool:
    """Take a file's lock; return whether it was free, where that is asked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | flags)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    return True


def _is_at(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except OSError:
        return False
