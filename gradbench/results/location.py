"""Where results are: a path of this machine, or a URL of any file system that fsspec knows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from gradbench.errors import BadRequest, Unwritable

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*::?//|[A-Za-z][A-Za-z0-9+.-]+::")
_EXTRA = "pip install 'torch-gradbench[remote]'"


def locate(path: str | Path) -> Path:
    """Turn what names a place into something that is read as a path is.

    Args:
        path: A path, or a URL such as ``s3://bucket/results``, ``gs://``, ``memory://``,
            ``file://``; fsspec's own configuration holds credentials and endpoints.

    Returns:
        A path; for a URL a ``upath.UPath``, which has pathlib's interface.

    Raises:
        BadRequest: It is a URL, and what reads it is not installed, or knows no such protocol.
    """
    if not isinstance(path, str) or not _URL.match(path):
        return path if is_remote(path) else Path(path)
    try:
        import upath
    except ImportError as error:
        raise BadRequest(f"{path}: a URL is read by fsspec: {_EXTRA}") from error
    try:
        found = upath.UPath(path)
        found.fs  # noqa: B018 - asks for the protocol's own package
    except ImportError as error:
        raise BadRequest(f"{path}: {error}: {_EXTRA}") from error
    except ValueError as error:
        raise BadRequest(f"{path}: {error}") from error
    if found.protocol in ("", "file", "local"):
        return Path(found.path)
    return cast("Path", found)


def is_remote(path: object) -> TypeGuard[Path]:
    """Say whether this is a path of fsspec's."""
    return hasattr(path, "fs") and hasattr(path, "protocol")


def each(paths: str | Path | Iterable[str | Path]) -> list[str | Path]:
    """List what may be one path, or several."""
    return [paths] if isinstance(paths, str | Path) or is_remote(paths) else list(paths)


class Identity:
    """What is equal for two names of one file; of many files in a folder it is asked once."""

    def __init__(self) -> None:
        self._folders: dict[Path, Path] = {}

    def __call__(self, path: Path) -> Any:
        """Return the file's true path, or its URL."""
        if is_remote(path):
            return address(path)
        if path.is_symlink():
            return path.resolve()
        folder = path.parent
        if folder not in self._folders:
            self._folders[folder] = folder.resolve()
        return self._folders[folder] / path.name


def address(path: Path) -> str:
    """Return a file's name as DuckDB takes it: a path, or a URL."""
    if not is_remote(path):
        return str(path)
    remote: Any = path
    return str(remote.fs.unstrip_protocol(remote.path))


def filesystem(path: Path) -> AbstractFileSystem | None:
    """Return the file system of a URL; None for a path of this machine."""
    return cast("Any", path).fs if is_remote(path) else None


def check_writable(folder: Path) -> None:
    """Refuse an output folder that cannot be made or written, before anything runs.

    Args:
        folder: Of a run.

    Raises:
        BadRequest: It cannot be a folder.
        Unwritable: This user, or nobody, may write there.
    """
    existing = folder.absolute()
    try:
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
    except OSError as error:  # a name too long, a loop of links
        raise BadRequest(f"output {folder} cannot be written: {error.strerror}") from error
    choose = "choose another, output=FOLDER"
    if not existing.is_dir():
        raise BadRequest(f"output {folder} cannot be written ({existing}: not a folder): {choose}")
    if not os.access(existing, os.W_OK | os.X_OK):
        read_only = os.statvfs(existing).f_flag & os.ST_RDONLY
        why = "read-only file system" if read_only else "no permission"
        raise Unwritable(f"output {folder} cannot be written ({existing}: {why}): {choose}")
