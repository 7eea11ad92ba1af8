"""A block as a task: measured by a worker, and its tables stored."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gradbench.block.identity import identity
from gradbench.errors import BadRequest
from gradbench.machine.occupancy import others_on_device, sharing_columns
from gradbench.request.block import Block
from gradbench.request.task import Finished, Progress
from gradbench.request.versions import Versions
from gradbench.results.schema import CELL, GRADIENT, SAMPLE
from gradbench.results.store import Store

_CALLGRIND_S = 600.0
"""More time for each strategy whose instructions are counted: torch is imported under valgrind."""


@dataclass(frozen=True)
class BlockTask:
    """A block to be measured by a worker.

    Args:
        block: What to measure.
        store: Where the tables go.
        alone: The block is the whole request, so one in which nothing can run is refused instead
            of stored.
        learnt: What earlier blocks of the command have found out.
    """

    block: Block
    store: Store
    alone: bool = False
    learnt: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its files."""
        return self.block.name

    @property
    def device(self) -> tuple[str, int]:
        """Its device's name and index."""
        return self.block.device, int(self.block.options["device"].get("index", 0))

    @property
    def versions(self) -> Versions:
        """What it is measured with."""
        return self.block.versions

    def at(self, host: str, versions: Versions) -> BlockTask:
        """Return the same block of another host.

        Args:
            host: Name of the host.
            versions: Those there.
        """
        return replace(self, block=replace(self.block, host=host, versions=versions))

    @property
    def limit_s(self) -> float:
        """Seconds after which the worker is ended."""
        measurement = self.block.options["measurement"]
        counted = len(self.block.options["strategy"]) if measurement["callgrind"] else 0
        return float(measurement["time_limit_s"]) + _CALLGRIND_S * counted

    def do(self, progress: Progress) -> Finished:
        """Measure the block and store its tables, ``cells`` last.

        Args:
            progress: Told how far it is.

        Returns:
            What became of it.

        Raises:
            BadRequest: The options are wrong; nothing was stored.
            Unwritable: The tables cannot be stored.
        """
        import torch

        from gradbench.block import rows, sample_rows
        from gradbench.block.axes import instantiate_axes
        from gradbench.block.run import measure_block
        from gradbench.verify.examination import Examination

        block, store = self.block, self.store
        axes = instantiate_axes(block)
        if self.alone:  # before the time is spent
            asked = [axes.strategies[name] for name in block.asked]
            where = axes.device.torch_device, getattr(torch, block.dtype)
            reasons: list[str | None] = []
            with suppress(Exception):  # a strategy's own: its cells will say it
                reasons = [strategy.supports(axes.rule, *where) for strategy in asked]
            _refuse_if_all(reasons)
        begun = time.perf_counter()
        seen = [others_on_device(*self.device)]
        known = {about: Examination.from_values(kept) for about, kept in self.learnt.items()}
        measured = measure_block(block, progress, known)
        seen.append(others_on_device(*self.device))
        if self.alone:  # a device or a model that is not there
            outcomes = [o for o in measured.outcomes if o.cell.strategy in block.asked]
            _refuse_if_all([o.reason if o.status == "skipped" else None for o in outcomes])
        shared = sharing_columns(seen) if measured.design is not None else {}
        took = {
            "budget_s": float(block.options["measurement"]["budget_s"]),
            "block_s": time.perf_counter() - begun,
        }
        cells = [{**row, **shared, **took} for row in rows.cell_rows(block, axes.rule, measured)]
        self._discard()
        if measured.isolated is not None or measured.training is not None:
            store.write(SAMPLE, block.name, sample_rows.sample_rows(block, measured))
            store.write(GRADIENT, block.name, sample_rows.gradient_rows(block, measured))
        store.write(CELL, block.name, cells)  # last: its presence means the block is finished
        bad = {f"{r['cell']}: {r['reason']}" for r in cells if r["status"] in ("wrong", "failed")}
        return Finished(
            statuses=Counter(row["status"] for row in cells),
            reasons=sorted(bad),
            sampling_s=measured.sampling_s,
            compile_s=measured.compile_s,
            verify_s=measured.verify_s,
            torch_version=str(torch.__version__),  # torch's own type would bring torch along
            contention=next((row["contention"] for row in cells if row.get("contention")), None),
            learnt={about: asdict(found) for about, found in measured.examined.items()},
        )

    def lost(self, reason: str) -> Finished:
        """Store a failed row for each cell.

        Args:
            reason: How the worker was lost.

        Returns:
            What became of the block.

        Raises:
            Unwritable: The rows cannot be stored.
        """
        block = self.block
        self._discard()
        failed: dict[str, Any] = {"status": "failed", "reason": reason}
        rows = [{**identity(block, cell), **failed} for cell in block.cells]
        self.store.write(CELL, block.name, rows)
        return Finished(Counter(failed=len(rows)), [reason])

    def _discard(self) -> None:
        """Remove the tables of an earlier attempt: those of two would not belong together."""
        for table in (CELL, SAMPLE, GRADIENT):  # cells first, which say that the others are there
            self.store.discard(table, self.block.name)


def _refuse_if_all(reasons: list[str | None]) -> None:
    """Refuse a request of which no cell can run."""
    given = {reason for reason in reasons if reason is not None}
    if given and None not in reasons:
        raise BadRequest("nothing can run: " + "; ".join(sorted(given)))
