"""A task's life in a process of its own, and what becomes of one that dies.

The parent imports no torch: a worker that takes its process down, or memory up, takes only its
own task with it.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, Literal

from gradbench.errors import BadRequest, Unwritable
from gradbench.request.task import Finished, Progress, Task
from gradbench.sweep.worker_server import ONE_COMPILE_THREAD, forkserver_context, sigint_blocked

_FAREWELL_S = 1.0
"""For a worker to give back what it holds, such as semaphores, once it has said its last word."""

_LONGEST_REASON = 2000
"""Characters of what was raised that go into a row."""

_KEPT_BYTES = 1 << 16
"""Of what a worker writes to the standard error, however much that is."""


class Workers:
    """Starts a process per task.

    Args:
        method: ``forkserver`` forks a server that has imported torch once; ``spawn`` starts each
            process anew, which takes seconds, but shares no addresses with the last.
    """

    def __init__(self, method: Literal["forkserver", "spawn"] = "forkserver") -> None:
        self._context: SpawnContext | ForkServerContext
        if method == "spawn":
            os.environ.setdefault(*ONE_COMPILE_THREAD)
            self._context = multiprocessing.get_context("spawn")
        else:
            self._context = forkserver_context()

    def run(self, task: Task, progress: Progress) -> Finished:
        """Have a task done by a process of its own.

        Args:
            task: What to do; it and its result are pickled.
            progress: Told how far it is.

        Returns:
            What became of it.

        Raises:
            BadRequest: The options are wrong; nothing was stored.
            Unwritable: What was seen cannot be stored.
        """
        receiver, sender = self._context.Pipe(duplex=False)
        written, errors = self._context.Pipe(duplex=False)
        words = _LastWords(written)
        process = self._context.Process(
            target=_live, args=(task, sender, errors, list(sys.path)), daemon=True
        )
        try:
            with sigint_blocked():  # the parent decides what Ctrl-C ends
                process.start()
            sender.close()
            errors.close()
            message = _listen(receiver, process.sentinel, words, progress, task.limit_s)
            process.join(_FAREWELL_S)
        finally:
            _end(process)
            for pipe in (receiver, sender, errors):
                pipe.close()
            words.close()
        if isinstance(message, Finished):
            return message
        if isinstance(message, BadRequest | Unwritable):
            raise message
        return task.lost(message or _death(process.exitcode, words.last_line))


def _end(process: ForkServerProcess | SpawnProcess) -> None:
    """End a worker, and what it started and left."""
    if process.pid is None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.is_alive():
        process.kill()
    process.join()


class _LastWords:
    """The end of what a worker writes to the standard error.

    Args:
        pipe: Where it arrives.
    """

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.ended = False
        self._kept = b""
        os.set_blocking(pipe.fileno(), False)

    def read(self) -> None:
        """Take what has arrived."""
        with suppress(BlockingIOError):
            arrived = os.read(self.pipe.fileno(), _KEPT_BYTES)
            self.ended = not arrived
            self._kept = (self._kept + arrived)[-_KEPT_BYTES:]

    def close(self) -> None:
        """Take what is left: as much as a pipe holds."""
        self.read()
        self.pipe.close()

    @property
    def last_line(self) -> str:
        """The last line written; empty if there is none."""
        lines = self._kept.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""


def _listen(
    receiver: Connection,
    sentinel: int,
    words: _LastWords,
    progress: Progress,
    limit_s: float,
) -> Finished | BadRequest | Unwritable | str | None:
    """Follow a worker to its end: its last word, a reason to give up on it, or None if it died."""
    deadline = time.monotonic() + limit_s
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return f"outlived its time limit of {limit_s:g} s (measurement.time_limit_s)"
        pipes = [receiver] if words.ended else [receiver, words.pipe]
        ready = wait([*pipes, sentinel], timeout=left_s)
        if words.pipe in ready:
            words.read()
        if receiver not in ready:
            if sentinel in ready:
                return None
            continue
        try:
            message: Any = receiver.recv()
        except (EOFError, OSError):  # killed before, or in the middle of a message
            return None
        if isinstance(message, tuple):
            progress(*message)
        else:
            return message  # type: ignore[no-any-return]


def _death(exitcode: int | None, last_line: str) -> str:
    """Say how a worker died, with the last line it wrote."""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = ": out of memory?" if name == "SIGKILL" else ""
        how = f"the worker was ended by {name}{hint}"
    else:
        how = f"the worker exited with status {exitcode} before it was done"
    return f"{how} (last line: {last_line})" if last_line else how


def _live(task: Task, sender: Connection, errors: Connection, path: list[str]) -> None:
    """Do a task in the worker's process and say what became of it."""
    with suppress(PermissionError):
        os.setpgid(0, 0)  # so that what the task starts ends with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C ends
    _end_with_parent()
    _be_first_to_go()
    gc.freeze()  # what the server imported: each collection would go through it again
    _lock_bars_by_thread()
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
    except (BadRequest, Unwritable) as error:
        sender.send(error)
    except BrokenPipeError:
        return  # the parent is gone, and with it the reason to go on
    except BaseException as error:  # the user's code may raise anything, SystemExit too
        traceback.print_exc()
        sender.send(f"{type(error).__name__}: {error}".strip()[:_LONGEST_REASON])


def _end_with_parent() -> None:
    """End this process as soon as the one that asked for it is gone, even by kill -9."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="gradbench-parent", daemon=True).start()


def _be_first_to_go() -> None:
    """Where memory runs out, have Linux end this process rather than the one that goes on."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _lock_bars_by_thread() -> None:
    """Keep tqdm, of which torch.compile makes bars that nobody sees, from taking a semaphore.

    A worker that is ended cannot give it back, and multiprocessing would warn of it at the end.
    """
    with suppress(ImportError):
        importlib.import_module("tqdm.std").tqdm.set_lock(threading.RLock())


def _redirect_output(errors: Connection) -> None:
    """Send what libraries and models print away from the screen, errors to the parent."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for standard, target in ((1, nowhere), (2, errors.fileno())):
        os.dup2(target, standard)
    errors.close()
