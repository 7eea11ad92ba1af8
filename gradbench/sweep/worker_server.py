"""The server that workers fork from: it imports once what every one of them needs."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext

PRELOADED = [
    "gradbench.block.task",
    "gradbench.block.run",
    "gradbench.observing.experiment",
    "gradbench.observing.task",
    "gradbench.block.rows",
    "pandas",
    "pyarrow.parquet",
    "gradbench.strategies.compiler",
]
"""What a process that measures needs."""

ONE_COMPILE_THREAD = ("TORCHINDUCTOR_COMPILE_THREADS", "1")
"""In the environment of workers: a pool of compilers would run beside the clock."""

COUNTED_BY_NVML = ("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
"""In the environment of the server: what it imports asks ``torch.cuda.is_available()``, and the
CUDA runtime, once asked, lets no process forked from this one use a GPU. NVML does.

Source: documentation of torch.cuda.is_available; "poison_fork" in torch/csrc/cuda/Module.cpp.
"""


def forkserver_context() -> ForkServerContext:
    """Make a context whose processes are forked from the server."""
    os.environ.setdefault(*ONE_COMPILE_THREAD)
    os.environ.setdefault(*COUNTED_BY_NVML)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start_ahead() -> int | None:
    """Start the server before it is known whether a worker will be wanted.

    It imports for seconds, in which a sweep is composed.

    Returns:
        Its process id, for :func:`end_unused`; None if it ran already.
    """
    forkserver_context()
    before = _pid()
    with sigint_blocked():
        forkserver.ensure_running()
    return None if _pid() == before else _pid()


def end_unused(pid: int) -> None:
    """End a server that nobody wanted, rather than let it import to the end.

    Args:
        pid: Its process id; where it is gone, nothing happens.
    """
    if pid == _pid():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Block SIGINT, which a terminal sends to all, in processes that are started meanwhile.

    The resource tracker goes first: multiprocessing unblocks SIGINT once it has started that.
    """
    resource_tracker.ensure_running()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _pid() -> int | None:
    """Return the server's process id; None where it does not run.

    Relies on ``multiprocessing.forkserver._forkserver._forkserver_pid``, as in Python 3.10 to
    3.13: multiprocessing counts the server among no process's children.
    """
    return getattr(forkserver._forkserver, "_forkserver_pid", None)
