"""Measured values as what JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any


def json_safe(value: Any) -> Any:
    """Turn a value into what JSON can hold.

    Args:
        value: A number, text, flag, None, a tensor or array, or a collection of such.

    Returns:
        The same in lists and dictionaries; NaN and infinities as ``"nan"``, ``"inf"`` and
        ``"-inf"``; anything else as its text.
    """
    if isinstance(value, Enum):
        return json_safe(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): json_safe(each) for key, each in value.items()}
    if callable(getattr(value, "tolist", None)):  # tensors, arrays and numbers of NumPy
        return json_safe(value.tolist())
    if isinstance(value, set | frozenset):
        return [json_safe(each) for each in sorted(value, key=str)]
    if isinstance(value, Iterable):
        return [json_safe(each) for each in value]
    return str(value)
