"""One observation at a time: two would see each other's doings."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gradbench.errors import BadRequest

_WATCHING = threading.Lock()


@contextmanager
def alone() -> Iterator[None]:
    """Keep others from watching meanwhile.

    Yields:
        Nothing.

    Raises:
        BadRequest: Something is watched already.
    """
    if not _WATCHING.acquire(blocking=False):
        raise BadRequest(
            "a diagnosis runs already, and there can be no other within it: end its `with` block, "
            "or take gradbench.diagnose out of what `python -m gradbench diagnose` runs"
        )
    try:
        yield
    finally:
        _WATCHING.release()
