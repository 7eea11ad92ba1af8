"""What a worker is asked to do, and what it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Progress = Callable[[float, str], None]
"""Told the fraction of the task that is done, and what is being done."""


@dataclass(frozen=True)
class Finished:
    """What became of a block or an experiment.

    Args:
        statuses: Number of cells by status, controls as well, or of observations by verdict.
        reasons: Distinct reasons of what is wrong or failed.
        sampling_s: Seconds inside timed and warm-up calls.
        compile_s: Seconds that torch.compile took.
        verify_s: Seconds that verification took, less those of compiling what is timed as well.
        torch_version: Version of PyTorch; None if the worker did not say.
        contention: Why the machine was busy during the block; None where it was quiet.
        learnt: What the next blocks of the command need not find out again, by what it is about;
            plain values, since whoever passes it on has not imported torch.
    """

    statuses: Counter[str]
    reasons: list[str] = field(default_factory=list)
    sampling_s: float = 0.0
    compile_s: float = 0.0
    verify_s: float = 0.0
    torch_version: str | None = None
    contention: str | None = None
    learnt: Mapping[str, dict[str, Any]] = field(default_factory=dict)


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
            Unwritable: The tables cannot be stored.
        """
        ...

    def lost(self, reason: str) -> Finished:
        """Store the rows of a task whose worker raised, died or outlived its limit.

        Args:
            reason: How it was lost.

        Returns:
            What became of it.

        Raises:
            Unwritable: The rows cannot be stored.
        """
        ...
