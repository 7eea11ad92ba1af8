"""The line that computes a group's learning rate, read from the program's source."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator

from gradbench.diagnosis.finding import Place


def rate_line(built: Place) -> Place | None:
    """Find where the learning rate of an optimizer's groups is computed, if that is one line.

    Args:
        built: The line that built the optimizer.

    Returns:
        The last assignment to the variable that ``{"params": …, "lr": variable}`` uses, or the
        line of that dictionary; None where the file has no such dictionary, or several.
    """
    source = "".join(linecache.getlines(built.file))
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    found = list(_groups(tree))
    if len(found) != 1:
        return None
    function, rate = found[0]
    line = rate.lineno
    if isinstance(rate, ast.Name):
        line = max(
            (each.lineno for each in _assignments(function, rate.id) if each.lineno <= line),
            default=line,
        )
    elif isinstance(rate, ast.Constant):
        return None
    return Place(built.file, line, getattr(function, "name", "<module>"))


def _groups(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.expr]]:
    """Yield the value of "lr" in each dictionary that has "params" as well, with its function."""
    functions: list[ast.AST] = [
        each for each in ast.walk(tree) if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Dict):
            continue
        keys = [each.value if isinstance(each, ast.Constant) else None for each in node.keys]
        if "lr" in keys and "params" in keys:
            around = [each for each in functions if any(node is inner for inner in ast.walk(each))]
            yield (around[-1] if around else tree), node.values[keys.index("lr")]


def _assignments(function: ast.AST, name: str) -> Iterator[ast.stmt]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            if any(isinstance(each, ast.Name) and each.id == name for each in node.targets):
                yield node
        elif (
            isinstance(node, (ast.AugAssign, ast.AnnAssign))
            and isinstance(node.target, ast.Name)
            and node.target.id == name
        ):
            yield node
