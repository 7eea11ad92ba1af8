"""The block that a calibration measures again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradbench.errors import BadRequest
from gradbench.request.block import Block
from gradbench.request.hydra_app import compose_configuration
from gradbench.request.plan import plan_block

DEFAULTS = (
    "model=mlp_deep",
    "rule=sgd",
    "strategy=[no_grad,foreach,optimizer]",
    "strategy@baseline=no_grad",
    "zeroing=[set_to_none]",
)
"""Two hundred tensors, so that half a percent of the update can be planted."""

IDENTICAL = ("identical_1", "identical_2")
"""Strategies that are the baseline under another name."""

PLANTED = {f"slowed_{1000 * f:03.0f}": f for f in (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.3)}
"""Strategies that are the baseline and a share of it again, by name; the name is in per mille."""

_NO_EARLY_STOP = 1e-6


@dataclass(frozen=True)
class Calibrated:
    """A block to be measured again and again, and what the engine would be asked for.

    Args:
        block: Measured to the end of its budget; with identical and planted strategies.
        precision: Half-width at which the engine would stop, which is replayed from the samples.
    """

    block: Block
    precision: float

    @property
    def settings(self) -> dict[str, Any]:
        """How the block is measured."""
        settings: dict[str, Any] = self.block.options["measurement"]
        return settings

    def again(self, number: int) -> Block:
        """Return the block of one re-run: seeded by its number.

        Args:
            number: From 0.

        Returns:
            The block.
        """
        return replace(self.block, seed=self.block.seed + number)


def plan_calibration(overrides: Sequence[str], seconds: float, run: str) -> Calibrated:
    """Turn overrides into the block of a calibration.

    Args:
        overrides: In Hydra's grammar, on top of ``DEFAULTS``.
        seconds: Sampling of one re-run, in seconds.
        run: Name of the run.

    Returns:
        What to measure.

    Raises:
        BadRequest: The overrides are wrong.
    """
    from omegaconf import open_dict
    from omegaconf.errors import OmegaConfBaseException

    given = [*DEFAULTS, *overrides, f"run={run}", f"measurement.budget_s={seconds}"]
    config = compose_configuration(given)
    try:
        precision = float(config.measurement.precision)
        config.measurement.precision = _NO_EARLY_STOP
        config.measurement.training_share = 0.0
        config.measurement.training_steps = 0
    except OmegaConfBaseException as error:
        raise BadRequest(str(error).splitlines()[0]) from error
    with open_dict(config):
        for baseline in list(config.baseline.values())[:1]:
            for name in IDENTICAL:
                config.strategy[name] = baseline
            for name, fraction in PLANTED.items():
                config.strategy[name] = {
                    "_target_": "gradbench.calibration.planted.Planted",
                    "strategy": baseline,
                    "fraction": fraction,
                }
    return Calibrated(plan_block(config), precision)
