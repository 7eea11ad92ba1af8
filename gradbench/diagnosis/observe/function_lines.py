"""Lines of a custom autograd Function: where it saves, keeps and returns."""

from __future__ import annotations

import dis
from functools import lru_cache
from types import CodeType
from typing import Any

FunctionLine = tuple[str, int, str]
"""File, line, and name of the function."""


def lines_of(function: Any, keys: tuple[str, ...]) -> dict[str, FunctionLine]:
    """Find the lines of a custom Function that a finding may point at.

    Args:
        function: The class.
        keys: Attributes of ``ctx`` that hold tensors.

    Returns:
        ``backward`` (its last ``return``), ``save`` (``save_for_backward``), and one for each key;
        what is not found is left out.
    """
    found: dict[str, FunctionLine] = {}
    for name in ("setup_context", "forward"):
        code = getattr(getattr(function, name, None), "__code__", None)
        if code is not None:
            for key, line in _stores(code):
                if key in keys or key == "save":
                    found[key] = (code.co_filename, line, code.co_name)
    for name in ("vjp", "backward"):
        code = getattr(getattr(function, name, None), "__code__", None)
        if code is not None:
            found["backward"] = (code.co_filename, _last_return(code), code.co_name)
    return found


@lru_cache(maxsize=512)
def _stores(code: CodeType) -> tuple[tuple[str, int], ...]:
    found = []
    for line, opname, value in _instructions(code):
        if opname == "STORE_ATTR":
            found.append((str(value), line))
        elif value == "save_for_backward":
            found.append(("save", line))
    return tuple(found)


@lru_cache(maxsize=512)
def _last_return(code: CodeType) -> int:
    lines = [line for line, opname, _ in _instructions(code) if opname.startswith("RETURN_")]
    return max(lines, default=code.co_firstlineno)


def _instructions(code: CodeType) -> list[tuple[int, str, Any]]:
    """Return the line, name and argument of each instruction."""
    starts = dict(dis.findlinestarts(code))
    found, line = [], code.co_firstlineno
    for each in dis.get_instructions(code):
        line = starts.get(each.offset) or line
        found.append((line, each.opname, each.argval))
    return found
