"""How a configuration becomes a block."""

from __future__ import annotations

import os
import re
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from gradbench.errors import BadRequest
from gradbench.request.block import Block, Cell, host_name
from gradbench.request.messages import explain, unknown_key
from gradbench.request.overrides import changed_options
from gradbench.request.schema import Config, check_measurement, groups
from gradbench.request.versions import versions_here


def resolve(config: DictConfig) -> dict[str, Any]:
    """Resolve a composed configuration and check what every job needs.

    Args:
        config: A job's configuration, of type :class:`gradbench.request.schema.Config`.

    Returns:
        Its nodes by name, free of Hydra.

    Raises:
        BadRequest: A mandatory value is missing, or one is out of bounds.
    """
    try:
        resolved = OmegaConf.to_container(
            config, resolve=True, throw_on_missing=True, enum_to_str=True
        )
    except (MissingMandatoryValue, InterpolationToMissingValueError) as error:
        found = re.search(r"mandatory value: (\S+)", str(error))
        key = found[1] if found else "a value"
        hint = " (package.module:function)" if key == "model.factory" else ""
        raise BadRequest(f"{key} is missing: give {key}=VALUE{hint}") from error
    except OmegaConfBaseException as error:
        raise BadRequest(explain(error)) from error
    assert isinstance(resolved, dict)
    options: dict[str, Any] = {str(key): value for key, value in resolved.items()}
    for key in options:
        if key not in Config.__dataclass_fields__:  # a + adds whatever it is given
            raise BadRequest(unknown_key(key))
    if options["threads"] is not None and not 1 <= options["threads"] <= 4096:
        raise BadRequest(f"threads={options['threads']}: choose a number from 1 to 4096")
    if not 0 <= options["seed"] < 2**63:
        raise BadRequest(f"seed={options['seed']}: choose a number from 0 to 2**63 - 1")
    if not _is_name(options["run"]):
        raise BadRequest(f"run={options['run']!r}: choose a folder name, such as run=first")
    if not options["output"] or "\0" in options["output"]:
        raise BadRequest(f"output={options['output']!r}: choose a folder, such as output=results")
    for group in ("model", "rule", "device"):
        if not {"name", "_target_"} <= options[group].keys():
            raise BadRequest(f"{group} is missing: choose from {', '.join(groups()[group])}")
    check_measurement(options["measurement"])
    return options


def _is_name(text: str) -> bool:
    """Say whether a text can be the name of a folder, and of one that a person can type."""
    reserved = text in ("", ".", "..") or "/" in text or os.sep in text
    return not reserved and text.isprintable() and len(os.fsencode(text)) <= 255


def plan_block(config: DictConfig) -> Block:
    """Turn a composed configuration into a block.

    Args:
        config: A job's configuration, of type :class:`gradbench.request.schema.Config`.

    Returns:
        The block, resolved and free of Hydra.

    Raises:
        BadRequest: A mandatory value is missing, or nothing is asked for.
    """
    options = resolve(config)
    for group in ("strategy", "zeroing"):
        if not options[group]:
            raise BadRequest(f"{group} is empty: choose at least one, such as {group}=all")
    if len(options["baseline"]) != 1:
        raise BadRequest(
            "strategy@baseline must be one strategy, such as strategy@baseline=foreach"
        )
    if options["measurement"]["callgrind"] and options["device"]["name"] != "cpu":
        raise BadRequest(
            "measurement.callgrind=true counts instructions of the CPU: choose device=cpu"
        )
    baseline = next(iter(options["baseline"]))
    names = {group: str(options[group].pop("name")) for group in ("model", "rule", "device")}
    cells = _cells(list(options["strategy"]), list(options["zeroing"]), baseline)
    return Block(
        run=str(options["run"]),
        host=host_name(),
        dtype=str(options["dtype"]),
        threads=options["threads"],
        seed=int(options["seed"]),
        cells=cells,
        asked=tuple(options["strategy"]),
        options={
            "model": options["model"],
            "rule": options["rule"],
            "strategy": {**options["baseline"], **options["strategy"]},
            "zeroing": options["zeroing"],
            "device": options["device"],
            "measurement": options["measurement"],
        },
        versions=versions_here(),
        changed=changed_options(config),
        **names,
    )


def _cells(strategies: list[str], zeroings: list[str], baseline: str) -> tuple[Cell, ...]:
    """Cross strategies with zeroings; the baseline with the first zeroing leads, controls close."""
    asked = [Cell(strategy, zeroing) for strategy in strategies for zeroing in zeroings]
    candidates = [c for c in asked if (c.strategy, c.zeroing) != (baseline, zeroings[0])]
    return (
        Cell(baseline, zeroings[0], "baseline"),
        *candidates,
        Cell(baseline, zeroings[0], "twin"),
        Cell("", "", "bandwidth"),
    )
