"""What a person sees while blocks are measured: a bar with an ETA, or plain lines."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gradbench.worker import Finished


class Screen:
    """Progress over blocks and inside the block.

    Args:
        console: Where to; anything that is no terminal gets one plain line per block.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._blocks: TaskID | None = None
        self._inside: TaskID | None = None
        self._total = 1
        self._done = 0
        self._measured = 0
        self._start = time.monotonic()

    def begin(self, total: int, folder: Path) -> None:
        """Show that blocks are about to be measured.

        Args:
            total: Number of blocks.
            folder: Where their tables go.
        """
        self._total, self._start = total, time.monotonic()
        plural = "block" if total == 1 else "blocks"
        self._console.print(f"{total} {plural} → {folder}", highlight=False)
        if self._console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._blocks = self._progress.add_task("blocks", total=total, note="")
            self._inside = self._progress.add_task("", total=1.0, note="")
            self._progress.start()

    def block_begins(self, label: str) -> None:
        """Show which block is being measured.

        Args:
            label: Model, rule and device.
        """
        if self._progress is not None and self._inside is not None:
            self._progress.reset(self._inside, description=label, completed=0, note="starting")

    def block_advances(self, fraction: float, text: str) -> None:
        """Show how far the block is.

        Args:
            fraction: In [0, 1].
            text: What is being done.
        """
        if self._progress is None or self._inside is None or self._blocks is None:
            return
        self._progress.update(self._inside, completed=fraction, note=text)
        self._progress.update(
            self._blocks, completed=self._done + fraction, note=self._eta(fraction)
        )

    def block_ends(self, label: str, result: Finished, seconds: float) -> None:
        """Show what became of a block.

        Args:
            label: Model, rule and device.
            result: What the worker said.
            seconds: How long it took.
        """
        self._measured += 1
        counts = ", ".join(f"{n} {status}" for status, n in sorted(result.statuses.items()))
        busy = "  [yellow]the machine was busy[/]" if result.contended else ""
        self._block_over(f"{label}: {counts}; {seconds:.1f} s{busy}")
        for reason in result.reasons[:3]:
            self._console.print(f"    {reason}", markup=False, highlight=False)

    def block_kept(self, label: str) -> None:
        """Show that a block was there already.

        Args:
            label: Model, rule and device.
        """
        self._block_over(f"{label}: kept")

    def end(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _block_over(self, line: str) -> None:
        self._done += 1
        eta = self._eta(0.0)
        tail = f"; {eta}" if eta and self._done < self._total else ""
        self._console.print(
            f"[{self._done}/{self._total}] ".replace("[", "\\[") + line + tail, highlight=False
        )
        if self._progress is not None and self._blocks is not None:
            self._progress.update(self._blocks, completed=self._done, note=eta)

    def _eta(self, fraction: float) -> str:
        """Guess the time left from the pace so far; blocks that were kept took none."""
        advanced = self._measured + fraction
        if advanced < 0.05:
            return ""
        pace = (time.monotonic() - self._start) / advanced
        left = max(self._total - self._done - fraction, 0.0)
        return f"{timedelta(seconds=round(pace * left))} left"
