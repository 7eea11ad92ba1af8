"""Requests that Hydra would misread or stumble over, refused before it sees them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from gradbench.config import BadRequest, groups
from gradbench.refusal import unknown_key

_ONE = ("model", "rule", "device", "measurement")
"""Groups of which a job has one option; of several Hydra would merge the settings."""
_LONGEST = 200
"""Characters of a key or an option's name, which Hydra takes for those of a file."""


def check_command(arguments: Sequence[str]) -> None:
    """Check what only the command line shows: flags, and what groups are set to.

    Args:
        arguments: Flags and overrides.

    Raises:
        BadRequest: A flag is unknown, a group is deleted or set to nothing, or one that takes a
            single option to several.
    """
    for argument in arguments:
        launcher = re.match(r"\+?hydra/launcher=(.*)$", argument, re.DOTALL)
        if launcher is not None:
            from gradbench.submission.launchers import check_launcher

            check_launcher(launcher[1])
        key = argument.lstrip("+~").partition("=")[0]
        if len(key) > _LONGEST:
            raise BadRequest(unknown_key(key))
        found = re.match(r"(\+{0,2}|~)([\w@]+)(?:=(.*))?$", argument, re.DOTALL)
        if found is None:
            continue
        sign, key, value = found.groups()
        group = key.partition("@")[0]
        if group not in groups():
            continue
        options = ", ".join(groups()[group])
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


def _check_flags(flags: Sequence[str], arguments: Sequence[str]) -> None:
    if not flags:
        return
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise BadRequest(f"{message}; python -m gradbench --hydra-help lists Hydra's flags")

    parser.error = refuse  # type: ignore[method-assign]
    parser.parse_args(list(arguments))
