"""A file's path as it is told: short where it lies below the working directory."""

from __future__ import annotations

import os
from pathlib import Path


def working_directory() -> str:
    """Return the working directory; empty where it is no longer there."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def shown_path(file: str, folder: str) -> str:
    """Shorten the path of a file.

    Args:
        file: Path of a file, or what Python calls code without one, such as ``<stdin>``.
        folder: The working directory, absolute; empty where there is none.

    Returns:
        The path relative to the folder if it lies below, else as it is; with ``/`` between.
    """
    if not folder or file.startswith("<"):
        return file
    # The folder may be a link, and the file named by where it leads; or the other way round.
    for path, above in (
        (Path(file), Path(folder)),
        (Path(os.path.realpath(file)), Path(os.path.realpath(folder))),
    ):
        if path.is_relative_to(above):
            return path.relative_to(above).as_posix()
    return Path(file).as_posix()
