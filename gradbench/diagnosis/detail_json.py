"""An event's detail as JSON, and back: tuples, sets and NaN are what they were."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

from gradbench.diagnosis.finding import Place

_TAG = "$"
"""Key of an object that stands for what JSON has no word for."""


def dump_detail(detail: Mapping[str, Any]) -> str:
    """Write what was seen as JSON.

    Args:
        detail: Numbers, texts, flags, None, places, and tuples, lists, sets and mappings of such.

    Returns:
        JSON; arrays are tuples, and ``{"$": …}`` is what JSON cannot say. Anything else is
        written as its text.
    """
    return json.dumps(_encoded(detail), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def load_detail(text: str) -> dict[str, Any]:
    """Read what `dump_detail` wrote.

    Args:
        text: JSON.

    Returns:
        What was written.

    Raises:
        ValueError: It is no such text.
    """
    found = _decoded(json.loads(text))
    if not isinstance(found, dict):
        raise ValueError("a detail is an object")
    return found


def _encoded(value: Any) -> Any:
    if isinstance(value, Enum):
        return _encoded(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Place):
        return {_TAG: "place", "of": [value.file, value.line, value.function]}
    if isinstance(value, float):
        return value if math.isfinite(value) else {_TAG: "float", "of": str(value)}
    if isinstance(value, tuple):
        return [_encoded(each) for each in value]
    if isinstance(value, list):
        return {_TAG: "list", "of": [_encoded(each) for each in value]}
    if isinstance(value, set | frozenset):
        ordered = sorted(value, key=lambda each: (str(type(each)), each))
        return {_TAG: "set", "of": [_encoded(each) for each in ordered]}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and _TAG not in value:
            return {key: _encoded(each) for key, each in value.items()}
        return {_TAG: "map", "of": [[_encoded(key), _encoded(v)] for key, v in value.items()]}
    return str(value)


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_decoded, value))
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {key: _decoded(each) for key, each in value.items()}
    return _MADE_OF[value[_TAG]](value["of"])


_MADE_OF: dict[str, Any] = {
    "float": float,
    "place": lambda of: Place(*of),
    "list": lambda of: [_decoded(each) for each in of],
    "set": lambda of: frozenset(map(_decoded, of)),
    "map": lambda of: {_decoded(key): _decoded(each) for key, each in of},
}
