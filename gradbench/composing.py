"""Composing a configuration for a command that is no Hydra app."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig

from gradbench.config import BadRequest, Config, configuration_folder


def compose_configuration(overrides: Sequence[str]) -> DictConfig:
    """Compose one job's configuration.

    Args:
        overrides: In Hydra's grammar.

    Returns:
        The configuration, of type :class:`gradbench.config.Config`.

    Raises:
        BadRequest: An override is wrong.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from gradbench.refusal import explain

    ConfigStore.instance().store(name="schema", node=Config)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(configuration_folder()), version_base="1.3"):
            return compose("config", list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise BadRequest(explain(error)) from error
