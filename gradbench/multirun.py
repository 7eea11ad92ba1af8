"""What is done before the first job of a multirun."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from gradbench.composed_once import ComposedOnce
from gradbench.submission.launchers import is_elsewhere
from gradbench.worker_server import end_unused, start_ahead


class PrepareMultirun(Callback):
    """Counts the jobs, has each composed once, and the workers' server imports meanwhile.

    Hydra makes the callback itself, so what it finds out is kept in the class.
    """

    choices: ClassVar[dict[str, int]] = {}
    server: ClassVar[int | None] = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Count the choices of every swept key, as Hydra's sweeper will.

        Args:
            config: The multirun's configuration.
            kwargs: Not used.
        """
        hydra = GlobalHydra.instance()
        loader = hydra.config_loader()
        loader.load_sweep_config = ComposedOnce(loader.load_sweep_config)  # type: ignore[method-assign]
        parser = OverridesParser.create(config_loader=loader)
        swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
        for override in parser.parse_overrides([*swept, *config.hydra.overrides.task]):
            sweeps = override.is_sweep_override()
            count = sum(1 for _ in override.sweep_string_iterator()) if sweeps else 1
            self.choices[override.get_key_element()] = count
        if not is_elsewhere(config.hydra.launcher):
            PrepareMultirun.server = start_ahead()

    @classmethod
    def jobs(cls, *, experiments: bool = False) -> int:
        """Multiply the choices.

        Args:
            experiments: Only of what tells one trial of an experiment from another.

        Returns:
            The number of jobs, or of trials per experiment.
        """
        counted = {
            key: count
            for key, count in cls.choices.items()
            if not experiments or re.match(r"(device|threads|\+?experiment)\b", key)
        }
        return math.prod(counted.values())

    @classmethod
    def leave_server(cls, *, used: bool) -> None:
        """End the workers' server of a multirun that turned out not to need it.

        Args:
            used: Whether a worker was forked from it; it then ends with this process.
        """
        if cls.server is not None and not used:
            end_unused(cls.server)
        cls.server = None
