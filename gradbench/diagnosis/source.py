"""The source of a program: what a line compares, and where a name is assigned."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache

from gradbench.diagnosis.finding import Place


@lru_cache(maxsize=64)
def tree_of(file: str) -> ast.Module | None:
    """Parse a file; None where that fails."""
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None


def two_names(place: Place) -> tuple[ast.expr, ast.expr] | None:
    """Return the two different expressions that a line combines: ``old - new``, ``f(old, new)``.

    Args:
        place: The line.

    Returns:
        The first two that are a name, an attribute or a subscript; None where there are none.
    """
    tree = tree_of(place.file)
    if tree is None:
        return None
    for node in ast.walk(tree):
        if getattr(node, "lineno", 0) > place.line or getattr(node, "end_lineno", 0) < place.line:
            continue
        if isinstance(node, ast.BinOp):
            pair = [node.left, node.right]
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            pair = node.args[:2]
        elif isinstance(node, ast.Call) and len(node.args) == 1:
            receiver = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            pair = [receiver, node.args[0]]
        else:
            continue
        a, b = pair
        if _is_name(a) and _is_name(b) and _written(a) != _written(b):
            return a, b
    return None


def kept_at(file: str, start: int = 0, key: str = "") -> int | None:
    """Return the line at which a value is kept under a key without a copy.

    Args:
        file: The file.
        start: Line of the function in whose class or function to look first.
        key: The key: of a subscript, a keyword, or an attribute.

    Returns:
        The line of ``state["key"] = value`` or ``update(key=value)`` where the value is a plain
        name; None where there is none.
    """
    tree = tree_of(file)
    if tree is None:
        return None
    scopes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
        and node.lineno <= start <= (node.end_lineno or node.lineno)
    ]
    scopes.sort(key=lambda node: not isinstance(node, ast.ClassDef))
    for scope in (*scopes, tree):
        lines = [line for line, name, value in _kept(scope) if name == key and _is_name(value)]
        if lines:
            return lines[-1]
    return None


def handed_on(place: Place, name: str) -> int | None:
    """Return the line in a function at which a variable is kept under another name as it is.

    Args:
        place: A line of the function.
        name: The variable, such as ``gradients`` in ``earlier = gradients``.

    Returns:
        The line; None where there is none.
    """
    function = _function(place)
    if function is None:
        return None
    for line, _, value in _kept(function):
        if isinstance(value, ast.Name) and value.id == name:
            return line
    return None


def assigned_at(place: Place) -> str:
    """Return the plain name that a line assigns to; empty where it assigns none."""
    function = _function(place)
    if function is None:
        return ""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        if node.lineno <= place.line <= (node.end_lineno or 0):
            return node.targets[0].id
    return ""


def is_shown(place: Place) -> bool:
    """Say whether a line only shows something: ``print``, or a method of a logger."""
    tree = tree_of(place.file)
    if tree is None:
        return False
    for node in ast.walk(tree):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
            continue
        if node.lineno <= place.line <= (node.end_lineno or 0):
            return last_word(node.value.func) in ("print", "debug", "info", "warning", "log")
    return False


def last_word(expression: ast.expr) -> str:
    """Return the key, attribute or name by which an expression is kept."""
    if isinstance(expression, ast.Subscript):
        if isinstance(expression.slice, ast.Constant) and isinstance(expression.slice.value, str):
            return expression.slice.value
        return last_word(expression.value)
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def _function(place: Place) -> ast.AST | None:
    tree = tree_of(place.file)
    if tree is None:
        return None
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.lineno <= place.line <= (node.end_lineno or 0)
    ]
    return max(around, key=lambda node: node.lineno) if around else tree


def _kept(scope: ast.AST) -> Iterator[tuple[int, str, ast.expr]]:
    """Yield line, key and value of what a scope keeps."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    for each, value in zip(target.elts, node.value.elts, strict=False):
                        yield node.lineno, last_word(each), value
                else:
                    yield node.lineno, last_word(target), node.value
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg is not None:
                    yield node.lineno, keyword.arg, keyword.value


def _is_name(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):
        return _is_name(node.value)
    if isinstance(node, ast.Attribute):
        return _is_name(node.value) and node.attr not in ("T", "mT")
    return isinstance(node, ast.Name)


def _written(node: ast.expr) -> str:
    return ast.unparse(node)
