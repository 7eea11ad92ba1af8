"""One clear message for a request that Hydra refuses, naming the valid choices."""

from __future__ import annotations

import os
import re
import traceback

from gradbench.config import Config, groups

_SCALARS = ("run", "output", "dtype", "seed", "threads")


def explain(error: Exception) -> str:
    """Turn Hydra's error into a message for the person who typed the command.

    Args:
        error: What Hydra or OmegaConf raised.

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
        return f"{group}={name}: choose from {', '.join(groups()[group])}"
    key = re.search(r"Could not override '([^']*)'", text) or re.search(
        r"Key '(\w+)' (?:is )?not in", text
    )
    if key:
        return unknown_key(key[1])
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
    group = key.split(".")[0]
    if "." in key and group in Config.__dataclass_fields__:
        choices = f"see {group}: python -m gradbench --cfg job --package {group}"
    else:
        choices = f"choose from {', '.join([*_SCALARS, *groups()])} (a sweep is +sweep=…)"
    return f"{key} is not an option; {choices}"
