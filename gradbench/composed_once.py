"""Each job of a sweep composed once, where Hydra composes it twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from omegaconf import DictConfig, OmegaConf

_MOST_KEPT = 200
"""Configurations; of larger sweeps, the others are composed once more when their turn comes."""

Compose = Callable[[DictConfig, list[str]], DictConfig]


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
