"""The options of a block as objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from gradbench.devices.base import Device
from gradbench.errors import BadRequest
from gradbench.models.base import Model
from gradbench.request.block import Block
from gradbench.rules.base import Rule
from gradbench.strategies.base import Strategy
from gradbench.zeroing.base import Zeroing


@dataclass(frozen=True)
class Axes:
    """The block's options as objects."""

    model: Model
    rule: Rule
    device: Device
    strategies: dict[str, Strategy]
    zeroings: dict[str, Zeroing]


def instantiate_axes(block: Block) -> Axes:
    """Make the objects that a block's options name.

    Args:
        block: The block.

    Returns:
        The objects.

    Raises:
        BadRequest: An option is not what its object takes.
    """
    options = block.options
    rule: Rule = instantiate_option(f"rule={block.rule}", options["rule"])
    if rule.lr == 0:  # a rule may have it within a schedule
        raise BadRequest(f"rule={block.rule}: rule.lr=0 changes nothing, choose a positive number")
    return Axes(
        model=instantiate_option(f"model={block.model}", options["model"]),
        rule=rule,
        device=instantiate_option(f"device={block.device}", options["device"]),
        strategies={
            name: instantiate_option(f"strategy={name}", option)
            for name, option in options["strategy"].items()
        },
        zeroings={
            name: instantiate_option(f"zeroing={name}", option)
            for name, option in options["zeroing"].items()
        },
    )


def instantiate_option(name: str, options: dict[str, Any]) -> Any:
    """Make the object that an option names.

    Args:
        name: The option as it is typed, for the message.
        options: Its node, with its ``_target_``.

    Returns:
        The object.

    Raises:
        BadRequest: The option is not what its object takes.
    """
    try:
        return instantiate(options)
    except (InstantiationException, ValueError, TypeError) as error:
        cause = error.__cause__ or error
        raise BadRequest(f"{name}: {cause}") from error
