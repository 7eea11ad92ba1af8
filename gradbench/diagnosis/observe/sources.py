"""Where a class assigns an attribute, read from its source: for objects made before we looked."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import lru_cache
from types import FunctionType

from gradbench.diagnosis.finding import Place


@lru_cache(maxsize=256)
def assigned_in(kind: type, attribute: str) -> Place | None:
    """Find the line that assigns ``self.attribute`` in a class or in what it inherits from.

    Args:
        kind: The class.
        attribute: Name of the attribute.

    Returns:
        The first such line; None where there is none, or no source.
    """
    for each in kind.__mro__:
        if each.__module__.partition(".")[0] in ("torch", "builtins"):
            continue
        for method in vars(each).values():
            line = _assigned(method, attribute) if isinstance(method, FunctionType) else None
            if line is not None:
                return Place(method.__code__.co_filename, line, method.__name__)
    return None


def _assigned(method: FunctionType, attribute: str) -> int | None:
    """Return the first line of a method that assigns an attribute."""
    try:
        lines, first = inspect.getsourcelines(method)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = [part for target in node.targets for part in _parts(target)]
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
            targets = [node.target]
        else:
            continue
        if any(isinstance(each, ast.Attribute) and each.attr == attribute for each in targets):
            found.append(first + node.lineno - 1)
    return min(found, default=None)


def _parts(target: ast.expr) -> list[ast.expr]:
    return list(target.elts) if isinstance(target, (ast.Tuple, ast.List)) else [target]
