"""A block's life in a process of its own, and what becomes of one that dies.

The parent imports no torch: a worker that takes its process down, or memory up, takes only its
own block with it.
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
from pathlib import Path
from typing import Any

from gradbench.config import BadRequest
from gradbench.identity import identity
from gradbench.plan import Block
from gradbench.results.schema import CELL, GRADIENT, SAMPLE
from gradbench.results.store import Store

_PRELOADED = [
    "gradbench.execution",
    "gradbench.rows",
    "gradbench.worker",
    "pandas",
    "pyarrow.parquet",
    "torch._inductor.compile_fx",
]

Progress = Callable[[float, str], None]
"""Told the fraction of the block that is done, and what is being done."""


@dataclass(frozen=True)
class Finished:
    """What became of a block.

    Args:
        statuses: Number of cells by status; controls count as well.
        reasons: Distinct reasons of cells that are wrong or failed.
        sampling_s: Seconds inside timed and warm-up calls.
        compile_s: Seconds inside first calls.
        torch_version: Version of PyTorch; None if the worker did not say.
        contended: The machine was busy for most of the block.
    """

    statuses: Counter[str]
    reasons: list[str] = field(default_factory=list)
    sampling_s: float = 0.0
    compile_s: float = 0.0
    torch_version: str | None = None
    contended: bool = False


class Workers:
    """Starts a process per block from a server that has imported torch once."""

    def __init__(self) -> None:
        # One compile thread: a pool of compilers would run beside the clock.
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)

    def run(self, block: Block, store: Store, progress: Progress, *, alone: bool) -> Finished:
        """Measure a block and store its tables.

        Args:
            block: What to measure.
            store: Where the tables go.
            progress: Told how far it is.
            alone: The block is the whole request, so one in which nothing can run is refused
                instead of stored.

        Returns:
            What became of it; a worker that raised, died or outlived its limit has left rows with
            status ``failed``.

        Raises:
            BadRequest: The options are wrong; nothing was stored.
        """
        receiver, sender = self._context.Pipe(duplex=False)
        with tempfile.NamedTemporaryFile(prefix="gradbench-", suffix=".err") as errors:
            process = self._context.Process(
                target=_live,
                args=(block, store, sender, errors.name, list(sys.path), alone),
                daemon=True,
            )
            process.start()
            sender.close()
            limit_s = float(block.options["measurement"]["time_limit_s"])
            try:
                message = _listen(receiver, process.sentinel, progress, limit_s)
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
        store.write(CELL, block.name, failed_rows(block, reason))
        return Finished(Counter(failed=len(block.cells)), [reason])


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


def failed_rows(block: Block, reason: str) -> list[dict[str, Any]]:
    """Write the rows of a block that was lost.

    Args:
        block: The block.
        reason: Why.

    Returns:
        Rows of ``cells``, each failed.
    """
    return [{**identity(block, cell), "status": "failed", "reason": reason} for cell in block.cells]


def _live(
    block: Block, store: Store, sender: Connection, errors: str, path: list[str], alone: bool
) -> None:
    """Measure a block in the worker's process, store its tables and say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C ends
    sys.path[:] = path  # where the request's own modules are
    _redirect_output(errors)
    try:
        sender.send(_measure_and_store(block, store, sender, alone))
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


def _measure_and_store(block: Block, store: Store, sender: Connection, alone: bool) -> Finished:
    import torch

    from gradbench import rows
    from gradbench.axes import instantiate_axes
    from gradbench.execution import measure_block

    last = 0.0

    def report(fraction: float, text: str) -> None:
        nonlocal last
        if time.monotonic() - last > 0.1:  # the screen needs no more, and sending takes time
            last = time.monotonic()
            sender.send((fraction, text))

    axes = instantiate_axes(block)
    if alone:  # before the time is spent
        _refuse_if_all([axes.strategies[name].supports(block, axes.rule) for name in block.asked])
    measured = measure_block(block, report)
    if alone:  # a device or a model that is not there
        outcomes = [o for o in measured.outcomes if o.cell.strategy in block.asked]
        _refuse_if_all([o.reason if o.status == "skipped" else None for o in outcomes])
    cells = rows.cell_rows(block, axes.rule, measured)
    if measured.isolated is not None or measured.training is not None:
        store.write(SAMPLE, block.name, rows.sample_rows(block, measured))
        store.write(GRADIENT, block.name, rows.gradient_rows(block, measured))
    store.write(CELL, block.name, cells)  # last: its presence means the block is finished
    bad = {f"{r['cell']}: {r['reason']}" for r in cells if r["status"] in ("wrong", "failed")}
    return Finished(
        statuses=Counter(row["status"] for row in cells),
        reasons=sorted(bad),
        sampling_s=measured.sampling_s,
        compile_s=measured.compile_s,
        torch_version=str(torch.__version__),  # torch's own type would bring torch along
        contended=any(row.get("contended") for row in cells),
    )


def _refuse_if_all(reasons: list[str | None]) -> None:
    """Refuse a request of which no cell can run."""
    given = {reason for reason in reasons if reason is not None}
    if given and None not in reasons:
        raise BadRequest("nothing can run: " + "; ".join(sorted(given)))
