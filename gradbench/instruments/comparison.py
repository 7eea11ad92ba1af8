"""The same ratios by every instrument, again and again, by turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import torch

from gradbench.calibration.hogs import busy
from gradbench.instruments.instrument import Measure, missing
from gradbench.instruments.interleaved import rounds
from gradbench.instruments.pyperf_workers import workers
from gradbench.instruments.pytest_fixture import fixture
from gradbench.instruments.subject import CANDIDATE, Subject
from gradbench.instruments.torch_timer import adaptive, blocked
from gradbench.request.block import file_name
from gradbench.results.schema import INSTRUMENT
from gradbench.results.store import Store, now
from gradbench.version import __version__

INSTRUMENTS: Mapping[str, tuple[Measure, str | None]] = {
    "gradbench": (rounds, None),
    "Timer, blocked": (blocked, None),
    "Timer, adaptive": (adaptive, None),
    "pytest-benchmark": (fixture, "pytest-benchmark"),
    "pyperf": (workers, "pyperf"),
}
"""Each instrument's function, and the optional package it needs."""

Say = Callable[[str], None]


@dataclass
class Comparison:
    """Repeats of all instruments under each load.

    Args:
        subject: What they measure.
        store: Where it goes; repeats that are there are kept.
        repeats: Repeats under each load.
        seconds: Sampling that an instrument may use for all its arms.
        loads: Numbers of busy processes.
        say: Told a line of progress.
        instruments: What is compared.
    """

    subject: Subject
    store: Store
    repeats: int
    seconds: float
    loads: Sequence[int]
    say: Say
    instruments: Mapping[str, tuple[Measure, str | None]] = field(
        default_factory=lambda: INSTRUMENTS
    )

    def measure(self) -> None:
        """Do the repeats that are missing: loads by turns, instruments in random order.

        Raises:
            KeyboardInterrupt: What was finished is stored.
        """
        usable = {}
        for name, (measure, package) in self.instruments.items():
            reason = missing(package) if package else None
            if reason is None:
                usable[name] = measure
            else:
                self.say(f"left out: {name}: {reason}")
        total, done, fresh, start = self.repeats * len(self.loads), 0, 0, time.monotonic()
        for repeat in range(self.repeats):
            for hogs in self.loads:
                done += 1
                if self.store.path(INSTRUMENT, self.name(hogs, repeat)).is_file():
                    self.say(f"[{done}/{total}] {hogs} busy · repeat {repeat + 1}: kept")
                    continue
                with busy(hogs):
                    rows = self._repeat(usable, hogs, repeat)
                self.store.write(INSTRUMENT, self.name(hogs, repeat), rows)
                fresh += 1
                left = (time.monotonic() - start) / fresh * (total - done)
                tail = f"; {timedelta(seconds=round(left))} left" if total > done else ""
                seen = ", ".join(
                    f"{row['instrument']} {row['ratio']:.3f}"
                    for row in rows
                    if not row["pair"].endswith("again")
                )
                self.say(f"[{done}/{total}] {hogs} busy · repeat {repeat + 1}: {seen}{tail}")

    def name(self, hogs: int, repeat: int) -> str:
        """Name the file of a repeat."""
        block = self.subject.block
        parts = (block.host, block.device, block.model, block.rule, block.dtype)
        return f"{file_name(parts, [block.name, self.seconds])}-hogs{hogs}-{repeat:03d}"

    def _repeat(
        self, usable: Mapping[str, Measure], hogs: int, repeat: int
    ) -> list[dict[str, Any]]:
        subject, block = self.subject, self.subject.block
        order = np.random.default_rng([block.seed, hogs, repeat])
        baseline, candidate = block.cells[0].strategy, block.asked[0]
        rows = []
        for place in order.permutation(len(usable)):
            name = list(usable)[place]
            start = time.perf_counter()
            ratios = usable[name](subject, self.seconds, int(order.integers(2**31)))
            wall_s = time.perf_counter() - start
            for arm, ratio in ratios.items():
                other = candidate if arm == CANDIDATE else f"{baseline}, again"
                rows.append(
                    {
                        "run": block.run,
                        "host": block.host,
                        "device": block.device,
                        "device_name": subject.axes.device.describe(),
                        "model": block.model,
                        "rule": block.rule,
                        "threads": torch.get_num_threads(),
                        "hogs": hogs,
                        "repeat": repeat,
                        "instrument": name,
                        "pair": f"{baseline} / {other}",
                        "ratio": ratio,
                        "budget_s": self.seconds,
                        "wall_s": wall_s,
                        "torch_version": str(torch.__version__),
                        "gradbench_version": __version__,
                        "recorded_at": now(),
                    }
                )
        return rows
