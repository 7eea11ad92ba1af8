"""Short computations in one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread inside, and in as many as before after it.

    On some thousand elements a second thread saves nothing, and waiting for it takes 10 ms an
    operation where other processes have the processors.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
