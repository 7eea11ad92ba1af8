"""A task's life in a process of its own, and what becomes of one that dies.

The parent imports no torch: a worker that takes its process down, or memory up, takes only its
own task with it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any, Literal, Protocol

from gradbench.config import BadRequest

PRELOADED = [
    "gradbench.block_task",
    "gradbench.execution",
    "gradbench.observing.experiment",
    "gradbench.observing.task",
    "gradbench.rows",
    "pandas",
    "pyarrow.parquet",
    "torch._inductor.compile_fx",
]
"""What a process that measures needs: imported once, by the server that the workers fork from."""

_FAREWELL_S = 1.0
"""For a worker to give back what it holds, such as semaphores, once it has said its last word."""

Progress = Callable[[float, str], None]
"""Told the fraction of the task that is done, and what is being done."""


@dataclass(frozen=True)
class Finished:
    """What became of a block or an experiment.

    Args:
        statuses: Number of cells by status, controls as well, or of observations by verdict.
        reasons: Distinct reasons of what is wrong or failed.
        sampling_s: Seconds inside timed and warm-up calls.
        compile_s: Seconds inside first calls.
        torch_version: Version of PyTorch; None if the worker did not say.
        contention: Why the machine was busy during the block; None where it was quiet.
    """

    statuses: Counter[str]
    reasons: list[str] = field(default_factory=list)
    sampling_s: float = 0.0
    compile_s: float = 0.0
    torch_version: str | None = None
    contention: str | None = None


class Task(Protocol):
    """What a worker does: a block, or an experiment."""

    @property
    def limit_s(self) -> float:
        """Seconds after which the worker is ended."""
        ...

    def do(self, progress: Progress) -> Finished:
        """Do it, in the worker, and store its tables.

        Args:
            progress: Told how far it is.

        Returns:
            What became of it.

        Raises:
            BadRequest: The options are wrong; nothing was stored.
        """
        ...

    def lost(self, reason: str) -> Finished:
        """Store the rows of a task whose worker raised, died or outlived its limit.

        Args:
            reason: How it was lost.

        Returns:
            What became of it.
        """
        ...


class Workers:
    """Starts a process per task.

    Args:
        method: ``forkserver`` forks a server that has imported torch once; ``spawn`` starts each
            process anew, which takes seconds, but shares no addresses with the last.
    """

    def __init__(self, method: Literal["forkserver", "spawn"] = "forkserver") -> None:
        # One compile thread: a pool of compilers would run beside the clock.
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
        self._context: SpawnContext | ForkServerContext
        if method == "spawn":
            self._context = multiprocessing.get_context("spawn")
        else:
            self._context = multiprocessing.get_context("forkserver")
            self._context.set_forkserver_preload(PRELOADED)

    def run(self, task: Task, progress: Progress) -> Finished:
        """Have a task done by a process of its own.

        Args:
            task: What to do; it and its result are pickled.
            progress: Told how far it is.

        Returns:
            What became of it.

        Raises:
            BadRequest: The options are wrong; nothing was stored.
        """
        receiver, sender = self._context.Pipe(duplex=False)
        with tempfile.NamedTemporaryFile(prefix="gradbench-", suffix=".err") as errors:
            process = self._context.Process(
                target=_live, args=(task, sender, errors.name, list(sys.path)), daemon=True
            )
            process.start()
            sender.close()
            try:
                message = _listen(receiver, process.sentinel, progress, task.limit_s)
                process.join(_FAREWELL_S)
            finally:
                if process.is_alive():
                    process.kill()
                process.join()
                receiver.close()
            if isinstance(message, Finished):
                return message
            if isinstance(message, BadRequest):
                raise message
            reason = message or _death(process.exitcode, Path(errors.name))
        return task.lost(reason)


def _listen(
    receiver: Connection, sentinel: int, progress: Progress, limit_s: float
) -> Finished | BadRequest | str | None:
    """Follow a worker to its end: its last word, a reason to give up on it, or None if it died."""
    deadline = time.monotonic() + limit_s
    while True:
        ready = wait([receiver, sentinel], timeout=max(deadline - time.monotonic(), 0.0))
        if not ready:
            return f"outlived its time limit of {limit_s:g} s (measurement.time_limit_s)"
        if receiver not in ready:
            return None
        try:
            message: Any = receiver.recv()
        except EOFError:
            return None
        if isinstance(message, tuple):
            progress(*message)
        else:
            return message  # type: ignore[no-any-return]


def _death(exitcode: int | None, errors: Path) -> str:
    """Say how a worker died, with the last line it wrote."""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = ": out of memory?" if name == "SIGKILL" else ""
        how = f"the worker was ended by {name}{hint}"
    else:
        how = f"the worker exited with status {exitcode} before it was done"
    lines = errors.read_text(errors="replace").strip().splitlines()
    return f"{how} (last line: {lines[-1][:200]})" if lines else how


def _live(task: Task, sender: Connection, errors: str, path: list[str]) -> None:
    """Do a task in the worker's process and say what became of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C ends
    sys.path[:] = path  # where the request's own modules are
    _redirect_output(errors)
    last = 0.0

    def progress(fraction: float, text: str) -> None:
        nonlocal last
        if time.monotonic() - last > 0.1:  # the screen needs no more, and sending takes time
            last = time.monotonic()
            sender.send((fraction, text))

    try:
        sender.send(task.do(progress))
    except BadRequest as error:
        sender.send(error)
    except BrokenPipeError:
        return  # the parent is gone, and with it the reason to go on
    except BaseException as error:  # the user's code may raise anything, SystemExit too
        traceback.print_exc()
        sender.send(f"{type(error).__name__}: {error}".strip())


def _redirect_output(errors: str) -> None:
    """Send what libraries and models print away from the screen, errors to a file."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    kept = os.open(errors, os.O_WRONLY | os.O_APPEND)
    for standard, target in ((1, nowhere), (2, kept)):
        os.dup2(target, standard)
