"""Threads of CPU operators while tiny tensors are computed with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute in one thread; afterwards in as many as before.

    Threads bring nothing to tensors of a few elements, and where another process keeps a core busy
    they wait for each other a hundred times as long as they compute.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
