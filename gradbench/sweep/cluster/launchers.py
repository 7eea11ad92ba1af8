"""Which cluster a launcher of Hydra's stands for."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gradbench.sweep.cluster.base import Cluster
from gradbench.sweep.cluster.local import Machine
from gradbench.sweep.cluster.slurm import Slurm

_CLUSTERS: dict[str, Any] = {"SlurmLauncher": Slurm, "LocalLauncher": Machine}


def is_elsewhere(launcher: DictConfig) -> bool:
    """Say whether a launcher has other processes than this one's workers do the jobs.

    Args:
        launcher: Node ``hydra.launcher``.
    """
    return _class_name(launcher["_target_"]) in _CLUSTERS


def chosen_cluster(launcher: DictConfig) -> Cluster | None:
    """Make the cluster that a job's configuration names.

    Args:
        launcher: Node ``hydra.launcher``.

    Returns:
        The cluster; None if everything is done in this process.

    Raises:
        BadRequest: An option is wrong.
    """
    options = OmegaConf.to_container(launcher, resolve=True)
    assert isinstance(options, dict)
    named = {str(key): value for key, value in options.items()}
    made = _CLUSTERS.get(_class_name(named.pop("_target_")))
    if made is None:
        return None
    # Each command has a folder of its own there: two may add to one run at once.
    stamp = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.getpid()}"
    folder = Path(named.pop("submitit_folder")).absolute() / stamp
    cluster: Cluster = made(folder, named)
    return cluster


def _class_name(target: str) -> str:
    return target.rpartition(".")[2]
