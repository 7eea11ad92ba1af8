"""Launchers of ``hydra/launcher=slurm`` and ``submitit_local``, where Hydra looks for them."""

from __future__ import annotations

from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher


class SlurmLauncher(BasicLauncher):
    """Has every job planned in this process; the sweep submits what is missing to Slurm afterwards.

    The launcher of hydra-submitit-launcher submits what is there, too, gives up all jobs with the
    first that fails, and needs Slurm's accounting to see that one was cancelled.

    Args:
        options: Those of hydra-submitit-launcher; the sweep reads them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()


class LocalLauncher(SlurmLauncher):
    """The same for the GPUs of this machine: the sweep gives each a worker."""
