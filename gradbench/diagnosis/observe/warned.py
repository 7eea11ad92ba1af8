"""Warnings of PyTorch's, shown at the program's line and not at the observation's."""

from __future__ import annotations

import sys
import warnings
from typing import Any, TextIO

from gradbench.diagnosis.observe.patches import Patches
from gradbench.diagnosis.observe.places import OURS, Places


def watch_warnings(places: Places, patches: Patches) -> None:
    """Replace what shows a warning.

    A warning from C++ is given the innermost line of Python, which is ours. Python shows one for
    each line: ours is forgotten each time, and the program's remembered.

    Args:
        places: Knows whose a file is.
        patches: Where the replacements are kept.
    """
    original = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        frames = places.frames() if places.kind(filename) == OURS else []
        if not frames:
            return original(message, category, filename, lineno, file, line)
        for name, module in list(sys.modules.items()):
            if name.startswith("gradbench.diagnosis.observe"):
                vars(module).get("__warningregistry__", {}).clear()
        theirs: dict[str, Any] = frames[0].f_globals
        warnings.warn_explicit(
            message,
            category,
            frames[0].f_code.co_filename,
            frames[0].f_lineno,
            module=theirs.get("__name__"),
            registry=theirs.setdefault("__warningregistry__", {}),
        )
        return None

    patches.replace(warnings, "showwarning", show)
