"""Text of a function that runs wherever it is pasted."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def pasteable(function: Callable[..., Any], device: torch.device) -> str:
    """Return a function's own source with the imports it needs and a call that prints.

    Args:
        function: A function of one argument, a device, that uses only names imported by its file.
        device: Device the call names.

    Returns:
        Text that runs by itself.

    Raises:
        ValueError: If the function uses a name that its file does not import.
    """
    source = inspect.getsource(function)
    used = _free_names(source)
    imported = _imports(Path(inspect.getfile(function)).read_text(encoding="utf-8"))
    unknown = used - imported.keys() - set(dir(builtins))
    if unknown:
        raise ValueError(f"{function.__name__} uses {', '.join(sorted(unknown))} of its file")
    lines = dict.fromkeys(imported[name] for name in imported if name in used | {"torch"})
    call = f'print({function.__name__}(torch.device("{device}")))'
    return "\n".join([*lines, "", source.rstrip(), "", call])


def _free_names(source: str) -> set[str]:
    """Return the names a function reads and does not bind anywhere in itself."""
    read: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
    return read - bound


def _imports(source: str) -> dict[str, str]:
    """Map each name a module imports to the statement that binds it alone, in their order."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                one = (
                    ast.Import([alias])
                    if isinstance(node, ast.Import)
                    else ast.ImportFrom(node.module, [alias], node.level)
                )
                found[name] = ast.unparse(one)
    return found
