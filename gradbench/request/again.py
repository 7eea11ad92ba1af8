"""The command that would tell strategies apart that a block's budget could not."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from gradbench.request.schema import Config, Measurement, configuration_folder, groups
from gradbench.statistics.choice import Choice
from gradbench.statistics.verdicts import known

LONGER = 10
"""How many times as long: intervals get narrower with the square root of it."""

_NOT_QUOTED = re.compile(r"(?!(?i:null|true|false|inf|nan)$)[A-Za-z_][\w./:-]*")


def again(choice: Choice, baseline: str | None, options: Mapping[str, Any]) -> str:
    """Write the command that measures what is unclear beside the recommended cell, for longer.

    Args:
        choice: What was chosen in a block.
        baseline: Name of the block's baseline; None where it has none.
        options: The block's resolved options, as ``runs`` has them; empty where they are unknown.

    Returns:
        The command, quoted for a shell; empty where nothing is unclear, or where nobody knows how
        long the block was measured or how its model is asked for.
    """
    row = choice.best
    budget_s = budget_of(row, options)
    model = _option("model", str(row["model"]), options.get("model", {}))
    if not choice.unclear or budget_s is None or model is None:
        return ""
    strategies = [str(each["strategy"]) for each in (row, *choice.unclear)]
    asked = [
        f"model={model}",
        *_changed("model", model, options.get("model", {})),
        f"rule={row['rule']}",
        *_changed("rule", str(row["rule"]), options.get("rule", {})),
        f"strategy=[{','.join(strategies)}]",
        *_nested("strategy", strategies, options),
        f"zeroing=[{row['zeroing']}]",
        *_nested("zeroing", [str(row["zeroing"])], options),
        *_device(row, options),
        *_baseline(str(row["rule"]), baseline),
        *_settings(row),
        f"measurement.budget_s={LONGER * budget_s:g}",
    ]
    if LONGER * budget_s > Measurement.time_limit_s / 2:
        asked.append(f"measurement.time_limit_s={2 * LONGER * budget_s:g}")
    return shlex.join(["python", "-m", "gradbench", *asked])


def budget_of(row: Mapping[Any, Any], options: Mapping[str, Any]) -> float | None:
    """Say how long a block could be measured.

    Args:
        row: Of ``cells``; older files do not have it.
        options: The block's resolved options.

    Returns:
        Seconds; None where unknown.
    """
    told = [row.get("budget_s"), options.get("measurement", {}).get("budget_s")]
    return next((float(each) for each in told if each is not None and known(each)), None)


def _device(row: Mapping[Any, Any], options: Mapping[str, Any]) -> Iterator[str]:
    device = str(row["device"])
    if device != "cpu":
        yield f"device={device}"
    yield from _changed("device", device, options.get("device", {}))


def _baseline(rule: str, baseline: str | None) -> Iterator[str]:
    """Name the baseline, unless the rule comes with it."""
    if baseline is not None and baseline != _usual_baseline(rule):
        yield f"strategy@baseline={baseline}"


def _settings(row: Mapping[Any, Any]) -> Iterator[str]:
    usual = {"dtype": Config.dtype.value, "seed": Config.seed, "threads": Config.threads}
    for name, default in usual.items():
        value = row.get(name)
        if isinstance(value, str) or (value is not None and known(value)):
            plain = value if isinstance(value, str) else int(value)
            if plain != default:
                yield f"{name}={plain}"
    if row.get("cache") == "cold":
        yield "measurement.cache=cold"


def _nested(group: str, names: list[str], options: Mapping[str, Any]) -> Iterator[str]:
    """Write what differs from the options of strategies or zeroings, each below its name."""
    for name in names:
        node = options.get(group, {}).get(name, {})
        yield from _differences(f"{group}.{name}", _file(group, name).get(name, {}), node)


def _changed(group: str, name: str, node: Mapping[str, Any]) -> Iterator[str]:
    yield from _differences(group, _file(group, name), node)


def _differences(key: str, usual: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[str]:
    """Write overrides for the leaves of a node that its option's file has otherwise, or not."""
    for name, value in node.items():
        default = usual.get(name)
        if isinstance(value, dict) and isinstance(default, dict):
            yield from _differences(f"{key}.{name}", default, value)
        elif name not in usual:
            yield f"++{key}.{name}={_literal(value)}"
        elif value != default and not (isinstance(default, str) and "${" in default):
            yield f"{key}.{name}={_literal(value)}"


def _literal(value: Any) -> str:
    """Write a value in Hydra's grammar."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{_literal(k)}:{_literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_literal, value))}]"
    if isinstance(value, str) and not _NOT_QUOTED.fullmatch(value):
        quoted = value.replace("'", r"\'")
        return f"'{quoted}'"
    return value if isinstance(value, str) else json.dumps(value)


def _option(group: str, name: str, node: Mapping[str, Any]) -> str | None:
    """Find the option that something measured was asked for by: its name may be another."""
    there = groups()[group]
    if name in there:
        return name
    target = node.get("_target_")
    alike = (option for option in there if _file(group, option).get("_target_") == target)
    return None if target is None else next(alike, None)


@lru_cache
def _file(group: str, name: str) -> dict[str, Any]:
    """Read an option's file; nothing where there is none."""
    from omegaconf import OmegaConf

    file = Path(configuration_folder()) / group / f"{name}.yaml"
    if not file.is_file():
        return {}
    node = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    return {str(key): value for key, value in node.items()} if isinstance(node, dict) else {}


def _usual_baseline(rule: str) -> str:
    """Name the baseline of a rule: one that torch.optim lacks names another than it has."""
    given = _file("rule", rule).get("defaults", [])
    named = [value for each in given for key, value in each.items() if "baseline" in str(key)]
    return str(named[0]) if named else "optimizer"
