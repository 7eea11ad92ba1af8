"""Trials: an experiment on one device, and how a configuration asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from gradbench.request.block import file_name, host_name
from gradbench.request.plan import resolve
from gradbench.request.versions import Versions, versions_here


@dataclass(frozen=True)
class Trial:
    """An experiment on one device.

    Args:
        run: Name of the run.
        host: Name of the machine.
        experiment: Name of the experiment.
        device: Name of the device.
        threads: Threads of CPU operators; None is PyTorch's own choice.
        options: Resolved nodes ``experiment`` and ``device``.
        time_limit_s: Seconds after which its worker is ended.
        versions: What it is observed with.
    """

    run: str
    host: str
    experiment: str
    device: str
    threads: int | None
    options: dict[str, Any]
    time_limit_s: float
    versions: Versions

    @property
    def name(self) -> str:
        """File-system name: readable parts, then a digest of all that would change the rows."""
        parts = (self.host, self.device, self.experiment, *self.versions.parts)
        return file_name(parts, [self.threads, self.options])


def plan_trials(config: DictConfig) -> list[Trial]:
    """Turn a composed configuration into the trials it asks for.

    Args:
        config: A job's configuration, of type :class:`gradbench.request.schema.Config`.

    Returns:
        A trial for each experiment, in the order given.

    Raises:
        BadRequest: A value is missing or out of bounds.
    """
    options = resolve(config)
    device = {key: value for key, value in options["device"].items() if key != "name"}
    return [
        Trial(
            run=options["run"],
            host=host_name(),
            experiment=name,
            device=str(options["device"]["name"]),
            threads=options["threads"],
            options={"experiment": experiment, "device": device},
            time_limit_s=float(options["measurement"]["time_limit_s"]),
            versions=versions_here(),
        )
        for name, experiment in options["experiment"].items()
    ]
