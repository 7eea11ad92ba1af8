"""What tells one block from another: options that differ from those in their files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

_ONE = ("model", "rule", "device")
_NAMED = {"strategy": "strategy", "zeroing": "zeroing", "baseline": "strategy@baseline"}
"""Nodes that hold several options by name, and the group that each is chosen from."""

_PLAIN = re.compile(r"[A-Za-z_][\w./:-]*")
_WORDS = ("null", "true", "false", "nan", "inf", "on", "off", "yes", "no")


def changed_options(config: DictConfig) -> str:
    """Write what tells a job's options from those in the files of the options chosen.

    The file of an option, not the command line, says what is usual: a value that a sweep sets
    differs from it like one that was typed. What has a column of its own, or changes only how long
    is measured, is not among it.

    Args:
        config: The job's configuration, of type :class:`gradbench.request.schema.Config`.

    Returns:
        Overrides in Hydra's grammar, such as ``model.width=64 rule.lr=0.01``, in one constant
        order, separated by spaces; empty where nothing differs, and outside of a job of Hydra's.
    """
    if not (HydraConfig.initialized() and GlobalHydra.instance().is_initialized()):
        return ""
    chosen = HydraConfig.get().runtime.choices
    found: list[str] = []
    for node in ("model", "rule", *_NAMED, "device"):
        own = _container(config[node])
        if node in _ONE:
            usual = _usual(node, str(chosen[node])) if chosen.get(node) else {}
            found += _differences(node, _unnamed(usual), _unnamed(own, usual))
            continue
        for name in sorted(own):
            filed = _usual_of_name(node, name, chosen.get(_NAMED[node]))
            if filed is None:  # a strategy that is in no file: its name stands for its code
                own[name].pop("_target_", None)
            found += _differences(f"{node}.{name}", filed or {}, own[name])
    return " ".join(found)


def _container(node: DictConfig) -> dict[str, Any]:
    values = OmegaConf.to_container(node, resolve=True, enum_to_str=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _unnamed(options: dict[str, Any], usual: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Leave out the name, and what it is made of: it has a column of its own."""
    parts = re.findall(r"\$\{\.(\w+)\}", str((options if usual is None else usual).get("name")))
    return {key: value for key, value in options.items() if key not in ("name", *parts)}


def _usual_of_name(node: str, name: str, choice: str | None) -> dict[str, Any] | None:
    """Find the options of a strategy or zeroing: of the choice that names several, or its file."""
    group = _NAMED[node].partition("@")[0]
    for option in filter(None, (choice, name)):
        usual = _usual(group, option) if _exists(group, option) else {}
        if name in usual:
            found: dict[str, Any] = usual[name]
            return found
    return None


def _exists(group: str, option: str) -> bool:
    return option in GlobalHydra.instance().config_loader().get_group_options(group)


def _usual(group: str, option: str) -> dict[str, Any]:
    searched = tuple(o for o in HydraConfig.get().overrides.hydra if "searchpath" in o)
    return _composed(group, option, searched)


@lru_cache(maxsize=1000)  # a tenth of a second each, and a sweep has few options a group
def _composed(group: str, option: str, searched: tuple[str, ...]) -> dict[str, Any]:
    """Compose an option alone, its own defaults included."""
    loader = GlobalHydra.instance().config_loader()
    overrides = [*searched, f"{group}={option}"]
    config = loader.load_configuration("config", overrides, RunMode.RUN, from_shell=False)
    values = OmegaConf.to_container(config[group], resolve=False, enum_to_str=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _differences(path: str, usual: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    """List the overrides that make one node of another, in the order of their keys."""
    for key in sorted({*usual, *own}):
        at = f"{path}.{key}"
        if key not in own:
            yield f"~{at}"
        elif isinstance(own[key], dict) and isinstance(usual.get(key), dict):
            yield from _differences(at, usual[key], own[key])
        elif key not in usual:
            yield f"+{at}={_written(own[key])}"
        elif own[key] != usual[key]:
            yield f"{at}={_written(own[key])}"


def _written(value: object) -> str:
    """Write a value in Hydra's grammar, without a space."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_written(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, str) and (not _PLAIN.fullmatch(value) or value.lower() in _WORDS):
        return str(QuotedString(text=value, quote=Quote.single).with_quotes())
    return str(value)
