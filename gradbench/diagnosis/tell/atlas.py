"""The atlas's failure modes, found by name without running them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from gradbench.observing.experiment import load_file
from gradbench.observing.failure_mode import FailureMode
from gradbench.request.schema import experiments_folder

_BROKEN = re.compile(r"^\s+broken=(\w+),", re.MULTILINE)


def mode_names() -> list[str]:
    """List the atlas's failure modes; no file of it is loaded for that."""
    return sorted(_files())


def find_mode(name: str) -> FailureMode | None:
    """Load a failure mode of the atlas.

    Args:
        name: Its name.

    Returns:
        The mode; None where the atlas has none of that name.
    """
    file = _files().get(name)
    modes = _modes(file) if file else ()
    return next((mode for mode in modes if mode.name == name), None)


@cache
def _files() -> dict[str, Path]:
    """Map the name of each mode to the file that describes it."""
    return {
        name: file
        for file in sorted((experiments_folder() / "failure_modes").glob("*.py"))
        for name in _BROKEN.findall(file.read_text(encoding="utf-8"))
    }


@cache
def _modes(file: Path) -> tuple[FailureMode, ...]:
    return tuple(load_file(file).MODES)
