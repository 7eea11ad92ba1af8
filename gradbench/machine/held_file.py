"""A file that one process holds while it lives: the kernel lets go of it, however it ends."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What a file system without flock(2) answers: there, nothing is held."""


@contextmanager
def held(
    file: Path, wait: Callable[[], object] | None = None, mode: int | None = None
) -> Iterator[None]:
    """Hold a file, made if need be; it is left in its place.

    Args:
        file: Its path.
        wait: Called once before waiting for another process; None does not wait.
        mode: Permissions of a file that is made; None leaves them to the umask.

    Yields:
        Nothing, while nobody else holds the file.

    Raises:
        OSError: The folder cannot be written; ``filelock.Timeout`` if another process holds it.
    """
    # A soft lock outlives a process that is killed on another host.
    make = partial(FileLock, file, fallback_to_soft=False)
    lock = make() if mode is None else make(mode=mode)
    waited = False
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=waited)
            break
        except Timeout:
            if wait is None:
                raise
            wait()
            waited = True
        except FileNotFoundError:  # another process has just removed the empty folder
            continue
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            break
    try:
        yield
    finally:
        lock.release()
