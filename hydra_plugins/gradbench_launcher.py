"""Launchers of ``hydra/launcher=slurm`` and ``submitit_local``, where Hydra looks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher


class SlurmLauncher(Launcher):
    """Has every job planned in this process; the sweep submits what is missing to Slurm afterwards.

    The launcher of hydra-submitit-launcher submits what is there, too, gives up all jobs with the
    first that fails, and needs Slurm's accounting to see that one was cancelled.

    Args:
        options: Those of hydra-submitit-launcher; the sweep reads them.
    """

    def __init__(self, **options: Any) -> None:
        self._here = _basic()()

    def setup(self, **given: Any) -> None:
        """Take what Hydra gives a launcher."""
        self._here.setup(**given)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Have the jobs planned, one after another.

        Args:
            job_overrides: What tells each job from the others.
            initial_job_idx: Number of the first.

        Returns:
            What became of each.
        """
        return self._here.launch(job_overrides, initial_job_idx)


class LocalLauncher(SlurmLauncher):
    """The same for the GPUs of this machine: the sweep gives each a worker."""


def _basic() -> type[Launcher]:
    """Find the launcher of ``hydra/launcher=basic``, which does every job in this process.

    Relies on its name in Hydra 1.3: where it is defined is private.
    """
    found = (kind for kind in Plugins.instance().discover(Launcher) if issubclass(kind, Launcher))
    return next(kind for kind in found if kind.__name__ == "BasicLauncher")
