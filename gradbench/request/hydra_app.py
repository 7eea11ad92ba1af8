"""gradbench's Hydra app: from overrides to composed configurations, job by job."""

from __future__ import annotations

import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gradbench.errors import BadRequest
from gradbench.request.messages import check_command, explain, is_hydras_own
from gradbench.request.schema import Config, configuration_folder

_MOST_KEPT = 200
"""Configurations; of larger sweeps, the others are composed once more when their turn comes."""

Compose = Callable[[DictConfig, list[str]], DictConfig]


def run_jobs(
    overrides: Sequence[str],
    job: Callable[[DictConfig], None],
    *,
    run: str,
    scratch: Path,
    ahead: Callable[[DictConfig], None],
) -> None:
    """Let Hydra compose the jobs that overrides ask for, and call a function for each.

    Args:
        overrides: Flags and overrides, as they were typed.
        job: Called with each job's configuration, of type :class:`gradbench.request.schema.Config`.
        run: Name of the run, where the overrides give none.
        scratch: Folder for what Hydra writes by itself; the table ``runs`` holds the
            configuration of every block.
        ahead: Called with node ``hydra.launcher`` before the jobs of a multirun are composed.

    Raises:
        BadRequest: The overrides are wrong.
    """
    given = sorted(overrides, key=_is_override)  # Hydra takes flags only before overrides
    check_command(given)
    ConfigStore.instance().store(name="schema", node=Config)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing, and we explain
    quoted = str(scratch).replace("'", r"\'")
    for key, value in (("run", run), ("hydra.sweep.dir", f"'{quoted}'")):
        if not sets(key, given):
            given.append(f"{key}={value}")
    sys.argv = ["gradbench", *given]
    PrepareMultirun.choices, PrepareMultirun.composed = {}, None  # of an earlier command
    PrepareMultirun.ahead = staticmethod(ahead)
    # That of hydra-submitit-launcher, whose options ours has, is the one that is wanted.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/submitit_local' is validated against")
    application = hydra.main(
        version_base="1.3", config_path=str(configuration_folder()), config_name="config"
    )(job)
    try:
        application()
    except (HydraException, OmegaConfBaseException) as error:
        raise BadRequest(explain(error, given)) from error
    except Exception as error:
        if not is_hydras_own(error):
            raise
        raise BadRequest(explain(error, given)) from error


def sets(key: str, overrides: Sequence[str]) -> bool:
    """Say whether overrides set a key, with one or two signs of addition before it or none.

    Args:
        key: Such as ``run``.
        overrides: In Hydra's grammar.

    Returns:
        Whether one does.
    """
    return any(re.match(rf"\+{{0,2}}{re.escape(key)}=", override) for override in overrides)


def _is_override(argument: str) -> bool:
    """Tell overrides, such as ``a.b=c``, ``+a=b`` and ``~a``, from flags and their values."""
    return re.match(r"[+~]|[\w./@-]+=", argument) is not None and not argument.startswith("-")


def compose_configuration(overrides: Sequence[str]) -> DictConfig:
    """Compose one job's configuration.

    Args:
        overrides: In Hydra's grammar.

    Returns:
        The configuration, of type :class:`gradbench.request.schema.Config`.

    Raises:
        BadRequest: An override is wrong.
    """
    ConfigStore.instance().store(name="schema", node=Config)
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(configuration_folder()), version_base="1.3"):
            return hydra.compose("config", list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise BadRequest(explain(error, overrides)) from error


class PrepareMultirun(Callback):
    """Counts the jobs, has each composed once, and says beforehand who is to do them.

    Hydra makes the callback itself, so what it is told and finds out is kept in the class.
    """

    choices: ClassVar[dict[str, int]] = {}
    composed: ClassVar[ComposedOnce | None] = None
    ahead: ClassVar[Callable[[DictConfig], None]]

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Count the choices of every swept key, as Hydra's sweeper will.

        Args:
            config: The multirun's configuration.
            kwargs: Not used.
        """
        loader = GlobalHydra.instance().config_loader()
        PrepareMultirun.composed = compose_each_once(loader)
        parser = OverridesParser.create(config_loader=loader)
        swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
        for override in parser.parse_overrides([*swept, *config.hydra.overrides.task]):
            sweeps = override.is_sweep_override()
            count = sum(1 for _ in override.sweep_string_iterator()) if sweeps else 1
            self.choices[override.get_key_element()] = count
        PrepareMultirun.ahead(config.hydra.launcher)

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


def compose_each_once(loader: ConfigLoader) -> ComposedOnce:
    """Have a loader compose each job of a sweep once.

    Relies on what Hydra 1.3 does not promise: its sweeper and its launcher call
    ``load_sweep_config`` of this one object, where an attribute hides the method.

    Args:
        loader: Hydra's own.

    Returns:
        What composes them.
    """
    composed = ComposedOnce(loader.load_sweep_config)
    loader.load_sweep_config = composed  # type: ignore[method-assign]
    return composed


class ComposedOnce:
    """Hands what Hydra composes to validate a sweep on to the jobs.

    A sixth of a second a job, which a sweep whose blocks are all there spends on little else.

    Args:
        compose: ``load_sweep_config`` of Hydra's configuration loader.

    Source: ``Sweeper.validate_batch_is_legal`` of Hydra 1.3: "This repeat work the launcher will
    do".
    """

    def __init__(self, compose: Compose) -> None:
        self._compose = compose
        self._kept: dict[Sequence[str], DictConfig] = {}

    @property
    def waiting(self) -> list[DictConfig]:
        """Configurations that were composed and whose turn has not come."""
        return list(self._kept.values())

    def __call__(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Compose a job's configuration, or take the one composed before.

        Args:
            master_config: The sweep's configuration.
            sweep_overrides: What tells the job from the others.

        Returns:
            The job's configuration; each composed one is handed out twice at most.
        """
        key = tuple(sweep_overrides)
        kept = self._kept.pop(key, None)
        if kept is not None:
            # What has been resolved since, such as the time in a run's name.
            OmegaConf.copy_cache(from_config=master_config, to_config=kept)
            return kept
        composed = self._compose(master_config, sweep_overrides)
        if len(self._kept) < _MOST_KEPT:
            self._kept[key] = composed
        return composed
