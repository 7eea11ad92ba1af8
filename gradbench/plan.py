"""Blocks and cells, and how a configuration becomes a block."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from gradbench.config import BadRequest, Config, check_measurement, groups
from gradbench.refusal import explain, unknown_key

Role = Literal["candidate", "baseline", "twin", "bandwidth"]


@dataclass(frozen=True)
class Cell:
    """One strategy with one zeroing inside a block, or a control.

    Args:
        strategy: Name of the strategy; empty for the bandwidth control.
        zeroing: Name of the zeroing; empty for the bandwidth control.
        role: What it is for.
    """

    strategy: str
    zeroing: str
    role: Role = "candidate"

    @property
    def name(self) -> str:
        """Unique within the block, such as ``foreach/set_to_none`` or ``twin``."""
        controls = self.role in ("twin", "bandwidth")
        return self.role if controls else f"{self.strategy}/{self.zeroing}"


@dataclass(frozen=True)
class Block:
    """Everything that is measured together: one model, device, dtype, threads and rule.

    Args:
        run: Name of the run.
        host: Name of the machine.
        model: Name of the model.
        device: Name of the device.
        dtype: Name of the floating type.
        threads: Threads of CPU operators; None is PyTorch's own choice.
        rule: Name of the rule.
        seed: Seed of everything random.
        cells: Baseline, candidates, twin and bandwidth control, in this order.
        asked: Names of the strategies asked for; the baseline's is there only if it was.
        options: Resolved nodes ``model``, ``rule``, ``strategy``, ``zeroing``, ``device`` and
            ``measurement``; the strategies include the baseline's.
    """

    run: str
    host: str
    model: str
    device: str
    dtype: str
    threads: int | None
    rule: str
    seed: int
    cells: tuple[Cell, ...]
    asked: tuple[str, ...]
    options: dict[str, Any]

    @cached_property  # thousands of rows ask for it
    def name(self) -> str:
        """File-system name: readable parts, then a digest of all that would change the figures."""
        resolved = [self.threads, self.seed, [cell.name for cell in self.cells], self.options]
        parts = (self.host, self.device, self.model, self.rule, self.dtype)
        return file_name(parts, resolved)

    @property
    def default_zeroing(self) -> str:
        """The baseline's zeroing, with which every strategy is measured in a star."""
        return self.cells[0].zeroing


def resolve(config: DictConfig) -> dict[str, Any]:
    """Resolve a composed configuration and check what every job needs.

    Args:
        config: A job's configuration, of type :class:`gradbench.config.Config`.

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
        config: A job's configuration, of type :class:`gradbench.config.Config`.

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


def host_name() -> str:
    """Return the name of this machine, as rows and files carry it."""
    return socket.gethostname() or "localhost"


def file_name(parts: Sequence[str], resolved: object) -> str:
    """Name a file by readable parts and a digest of everything that would change its content.

    Args:
        parts: What a person looks for.
        resolved: What decides the content; JSON can write it.

    Returns:
        The parts, safe for any file system, and eight hexadecimal digits, joined by hyphens.
    """
    digest = hashlib.sha256(json.dumps(resolved, sort_keys=True).encode()).hexdigest()[:8]
    return "-".join(re.sub(r"[^\w.]+", "_", part) for part in (*parts, digest))
