"""One clear message for a request that Hydra refuses, naming the valid choices."""

from __future__ import annotations

import re

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
        return f"{key[1]} is not an option; {_known_keys(key[1])}"
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


def _known_keys(key: str) -> str:
    """List what could stand in a key's place."""
    group = key.split(".")[0]
    if "." in key and group in Config.__dataclass_fields__:
        return f"see {group}: python -m gradbench --cfg job --package {group}"
    return f"choose from {', '.join([*_SCALARS, *groups()])} (a sweep is +sweep=…)"
