"""What a person sees while a command works: a bar with an ETA, or plain lines."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gradbench.request.task import Finished


class Screen:
    """Progress over tasks, which are blocks and experiments, and inside the task.

    Args:
        console: Where to; anything that is no terminal gets one plain line per task.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._tasks: TaskID | None = None
        self._inside: TaskID | None = None
        self._total = 1
        self._done = 0
        self._measured = 0
        self._start = time.monotonic()

    def begin(
        self, blocks: int, experiments: int, folder: Path, expected: str | None = None
    ) -> None:
        """Show that blocks and experiments are about to run.

        Args:
            blocks: Number of blocks.
            experiments: Number of experiments, each device counted.
            folder: Where their tables go.
            expected: How long the blocks will take, in words; None where none are to be measured.
        """
        self._total, self._start = blocks + experiments, time.monotonic()
        counts = ((blocks, "block"), (experiments, "experiment"))
        parts = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n]
        self._console.print(f"{' and '.join(parts)} → {folder}", highlight=False)
        if expected is not None:
            self._console.print(expected, highlight=False)
        if self._console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._tasks = self._progress.add_task("all", total=self._total, note="")
            self._inside = self._progress.add_task("", total=1.0, note="")
            self._progress.start()

    def begins(self, label: str, anew: str | None = None) -> None:
        """Show which task begins.

        Args:
            label: Names the task.
            anew: What has changed since it was done before; None where it was not.
        """
        if self._progress is not None and self._inside is not None:
            label = label if anew is None else escape(f"{label} · anew: {anew}")
            self._progress.reset(self._inside, description=label, completed=0, note="starting")

    def advances(self, fraction: float, text: str) -> None:
        """Show how far the task is.

        Args:
            fraction: In [0, 1].
            text: What is being done.
        """
        if self._progress is None or self._inside is None or self._tasks is None:
            return
        self._progress.update(self._inside, completed=fraction, note=text)
        self._progress.update(
            self._tasks, completed=self._done + fraction, note=self._eta(fraction)
        )

    def follows(self, running: int, waiting: int, fraction: float, note: str) -> None:
        """Show how far several tasks are that run elsewhere at once.

        Args:
            running: How many run.
            waiting: How many have yet to begin.
            fraction: Sum of the fractions of those that run.
            note: What one of them is at, or why they wait.
        """
        if self._progress is None or self._inside is None or self._tasks is None:
            return
        self._progress.update(
            self._inside,
            description=f"{running} running, {waiting} waiting",
            completed=fraction / max(running, 1),
            note=note,
        )
        self._progress.update(
            self._tasks, completed=self._done + fraction, note=self._eta(fraction)
        )

    def ends(self, label: str, result: Finished, seconds: float, anew: str | None = None) -> None:
        """Show what became of a task.

        Args:
            label: Names the task.
            result: What the worker said.
            seconds: How long it took.
            anew: What has changed since it was done before; None where it was not.
        """
        self._measured += 1
        counts = ", ".join(f"{n} {status}" for status, n in sorted(result.statuses.items()))
        why = result.contention
        busy = f"  [yellow]the machine was busy: {escape(why)}[/]" if why else ""
        compiling = f", {result.compile_s:.1f} s of it compiling" if result.compile_s >= 1 else ""
        again = "" if anew is None else f"measured anew: {escape(anew)}; "
        self._over(f"{label}: {again}{counts}; {seconds:.1f} s{compiling}{busy}")
        for reason in result.reasons[:3]:
            self._console.print(f"    {reason}", markup=False, highlight=False)

    def waits(self, label: str) -> None:
        """Show that another sweep is at a task of this run.

        Args:
            label: Names the task.
        """
        self._console.print(f"{label}: another sweep is at it; waiting", highlight=False)

    def kept(self, label: str) -> None:
        """Show that a task was done already.

        Args:
            label: Names the task.
        """
        self._over(f"{label}: kept")

    def end(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _over(self, line: str) -> None:
        self._done += 1
        eta = self._eta(0.0)
        tail = f"; {eta}" if eta and self._done < self._total else ""
        self._console.print(
            f"[{self._done}/{self._total}] ".replace("[", "\\[") + line + tail, highlight=False
        )
        if self._progress is not None and self._tasks is not None:
            self._progress.update(self._tasks, completed=self._done, note=eta)

    def _eta(self, fraction: float) -> str:
        """Guess the time left from the pace so far; what was kept took none."""
        advanced = self._measured + fraction
        if advanced < 0.05:
            return ""
        pace = (time.monotonic() - self._start) / advanced
        left = max(self._total - self._done - fraction, 0.0)
        return f"{timedelta(seconds=round(pace * left))} left"
