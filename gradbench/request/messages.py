"""One clear message for a wrong request: one that Hydra refuses, or would misread."""

from __future__ import annotations

import os
import re
import traceback
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from gradbench.errors import BadRequest
from gradbench.request.schema import Config, groups

CHOICES = ("basic", "slurm", "submitit_local")
"""Options of ``hydra/launcher``; basic does everything in this process."""

_ONE = ("model", "rule", "device", "measurement")
"""Groups of which a job has one option; of several Hydra would merge the settings."""
_LONGEST = 200
"""Characters of a key or an option's name, which Hydra takes for those of a file."""

_SCALARS = ("run", "output", "dtype", "seed", "threads")


def choices(key: str) -> str:
    """List the options of a group, such as ``strategy``, or ``strategy@baseline`` that takes one.

    Args:
        key: A group, and after an @ where it goes.

    Returns:
        Their names; ``all`` only where several can be chosen.
    """
    group, _, place = key.partition("@")
    return ", ".join(name for name in groups()[group] if not (place and name == "all"))


def explain(error: Exception, overrides: Sequence[str] = ()) -> str:
    """Turn Hydra's error into a message for the person who typed the command.

    Args:
        error: What Hydra or OmegaConf raised.
        overrides: What was typed.

    Returns:
        What is wrong and what could be given instead, without a traceback.
    """
    text = str(error)
    override = getattr(error, "override", None)
    if override is not None and "while evaluating" not in text:
        return (
            f"{override!r} is not in the grammar of overrides, KEY=VALUE: a value with other signs "
            """stands in quotes, such as "run='my run'\""""
        )
    if error.__cause__ is not None and str(error.__cause__) not in text:
        text = f"{text}\n{error.__cause__}"
    option = re.search(r"Could not (?:find|load) '(\w+)/([^']*)'", text)
    if option and option[1] in groups():
        group, name = option.groups()
        # Hydra's error does not say which of strategy and strategy@baseline it was.
        placed = rf"\+{{0,2}}({group}@\w+)=(?:.*\W)?{re.escape(name)}(?:\W|$)"
        asked = (re.match(placed, override) for override in overrides)
        key = next((found[1] for found in asked if found), group)
        return f"{key}={name}: choose from {choices(key)}"
    unknown = re.search(r"Could not override '([^']*)'", text) or re.search(
        r"Key '(\w+)' (?:is )?not in", text
    )
    if unknown:
        return unknown_key(unknown[1])
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    noise = (
        "full_key",
        "object_type",
        "reference_type",
        "Config search path",
        "provider=",
        "To append",
    )
    message = "; ".join(line for line in kept if not line.startswith(noise))
    full_key = re.search(r"full_key: (\S+)", text)
    return f"{message} (at {full_key[1]})" if full_key and full_key[1] not in message else message


def is_hydras_own(error: Exception) -> bool:
    """Say whether Hydra stumbled over the request, rather than gradbench over itself.

    Args:
        error: What was raised while the command ran.

    Returns:
        Whether the innermost code was Hydra's or OmegaConf's.
    """
    innermost = traceback.extract_tb(error.__traceback__)[-1].filename
    return any(f"{os.sep}{name}{os.sep}" in innermost for name in ("hydra", "omegaconf", "antlr4"))


def unknown_key(key: str) -> str:
    """Say that there is no such option, and what could stand in its place.

    Args:
        key: What stood before the =.

    Returns:
        The message.
    """
    if key == "sweep":
        return f"a sweep is +sweep=quick, with a +; choose from {choices(key)}"
    group = key.split(".")[0]
    if "." in key and group in Config.__dataclass_fields__:
        instead = f"see {group}: python -m gradbench --cfg job --package {group}"
    else:
        instead = f"choose from {', '.join([*_SCALARS, *groups()])} (a sweep is +sweep=…)"
    return f"{key} is not an option; {instead}"


def check_command(arguments: Sequence[str]) -> None:
    """Check what only the command line shows: flags, and what groups are set to.

    Args:
        arguments: Flags and overrides.

    Raises:
        BadRequest: A flag is unknown, a group or the run is deleted or set to nothing, a group
            that takes a single option is set to several, or the place of the run is swept.
    """
    for argument in arguments:
        launcher = re.match(r"\+?hydra/launcher=(.*)$", argument, re.DOTALL)
        if launcher is not None:
            check_launcher(launcher[1])
        key = argument.lstrip("+~").partition("=")[0]
        if len(key) > _LONGEST:
            raise BadRequest(unknown_key(key))
        found = re.match(r"(\+{0,2}|~)([\w@]+)(?:=(.*))?$", argument, re.DOTALL)
        if found is None:
            continue
        sign, key, value = found.groups()
        _check_place(argument, sign, key, value)
        group = key.partition("@")[0]
        if group not in groups():
            continue
        options = choices(key)
        if sign == "~" and "=" not in argument:
            raise BadRequest(f"{argument}: a job needs its {group}; choose from {options}")
        if value is not None and (
            value.strip().lower() in ("", "null") or ("[" not in value and len(value) > _LONGEST)
        ):
            raise BadRequest(f"{argument}: choose from {options}")
        if value is not None and value.count("[") > 1 and key == group:
            raise BadRequest(f"{argument}: a list holds names, not lists; choose from {options}")
        if value is not None and key in _ONE and value.lstrip().startswith("["):
            sweep = f"sweep several with -m {key}=A,B"
            raise BadRequest(f"{argument}: {key} takes one of {options}; {sweep}")
    _check_flags([argument for argument in arguments if argument.startswith("-")], arguments)


def _check_place(argument: str, sign: str, key: str, value: str | None) -> None:
    """Check what says where the results go: a command has one run, in one folder."""
    if key == "run" and (sign == "~" or (value or "").strip().lower() in ("", "null")):
        raise BadRequest(f"{argument}: choose a folder name, such as run=first, or leave it out")
    if key in ("run", "output") and sign != "~":
        with suppress(HydraException):  # which Hydra raises again, and is explained then
            if OverridesParser.create().parse_override(argument).is_sweep_override():
                raise BadRequest(f"{argument}: a command has one {key}; repeat it for each")


def _check_flags(flags: Sequence[str], arguments: Sequence[str]) -> None:
    if not flags:
        return
    parser = hydras_flags()

    def refuse(message: str) -> NoReturn:
        raise BadRequest(f"{message}; python -m gradbench --hydra-help lists Hydra's flags")

    parser.error = refuse  # type: ignore[method-assign]
    parser.parse_args(list(arguments))


def hydras_flags() -> ArgumentParser:
    """Return the parser of the command line's flags.

    Relies on ``hydra._internal.utils.get_args_parser`` of Hydra 1.3, with which ``hydra.main``
    parses and which has no public name.
    """
    from hydra._internal.utils import get_args_parser

    return get_args_parser()


def check_launcher(name: str) -> None:
    """Check what ``hydra/launcher`` is set to.

    Args:
        name: An option's name.

    Raises:
        BadRequest: There is no such launcher, or its extra is not installed.
    """
    if name not in CHOICES:
        raise BadRequest(f"hydra/launcher={name}: choose from {', '.join(CHOICES)}")
    if name != "basic" and find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        raise BadRequest(f"hydra/launcher={name} needs pip install 'torch-gradbench[slurm]'")
