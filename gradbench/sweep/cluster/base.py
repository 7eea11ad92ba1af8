"""What a place to which jobs are submitted gives to the sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from gradbench.sweep.cluster.job import Job


@dataclass(frozen=True)
class State:
    """What the scheduler says of a job.

    Args:
        stage: waiting, running, or gone: it will not write any more.
        text: In the scheduler's words.
    """

    stage: Literal["waiting", "running", "gone"]
    text: str


class Cluster(Protocol):
    """Where jobs run."""

    @property
    def folder(self) -> Path:
        """For logs, pickled jobs and messages, on a file system that all share."""
        ...

    def submit(self, waiting: Sequence[Job]) -> dict[str, Job]:
        """Submit as many jobs as there is room for.

        Args:
            waiting: Jobs that are not submitted yet.

        Returns:
            Those submitted, by the scheduler's id.

        Raises:
            BadRequest: The scheduler refuses them.
        """
        ...

    def states(self) -> dict[str, State] | None:
        """Ask for the states of jobs; a job that is not among them is gone.

        Returns:
            States by id; None where the scheduler does not answer.
        """
        ...

    def cancel(self, jobs: Sequence[str]) -> None:
        """End jobs, whether they run or wait.

        Args:
            jobs: Their ids.
        """
        ...
