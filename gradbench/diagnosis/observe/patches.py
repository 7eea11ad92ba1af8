"""Attributes of PyTorch's that are replaced while a program is watched, and put back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_MISSING = object()


class Patches:
    """Replacements, undone in the opposite order."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of a class or module.

        Args:
            owner: The class or module.
            name: Name of the attribute.
            value: What to set.
        """
        before = owner.__dict__.get(name, _MISSING)
        setattr(owner, name, value)

        def undo() -> None:
            if before is _MISSING:
                with suppress(AttributeError):
                    delattr(owner, name)
            else:
                setattr(owner, name, before)

        self._undo.append(undo)

    def replace_everywhere(self, owner: Any, name: str, value: Any) -> None:
        """Replace a function in its module and wherever it has been imported from there.

        Args:
            owner: Its module.
            name: Its name.
            value: What to put in its place.
        """
        original = getattr(owner, name)
        for module in list(sys.modules.values()):
            held = getattr(module, "__dict__", {})
            if module is not owner and held.get(name) is original:
                self.replace(module, name, value)
        self.replace(owner, name, value)

    def undone_by(self, undo: Callable[[], None]) -> None:
        """Remember what undoes something else that was done.

        Args:
            undo: Called when all is put back.
        """
        self._undo.append(undo)

    def undo(self) -> None:
        """Put everything back."""
        while self._undo:
            self._undo.pop()()
