"""A process's temporary files, in one folder, which is removed even if the process is killed."""

from __future__ import annotations

import multiprocessing.util
import os
import shutil
import tempfile
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path

from gradbench.machine.held_file import held

_PREFIX = "gradbench-"
_LOCK = ".lock"
_SOCKET = len("/pymp-xxxxxxxx/listener-xxxxxxxx")
_LONGEST_SOCKET = 103
"""Characters that the path of a Unix socket may have (macOS; Linux allows 107)."""

_IN_USE = ExitStack()
"""Holds this process's folder."""


@lru_cache(maxsize=1)
def scratch_folder() -> Path:
    """Make a folder for what Hydra and multiprocessing write; remove those of killed processes.

    Returns:
        The folder; it is removed when this process ends, or at the next start.
    """
    parent = Path(tempfile.gettempdir())
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError), held(lock):  # otherwise in use, or another user's
            shutil.rmtree(lock.parent, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
    _IN_USE.enter_context(held(made / _LOCK))
    # Visible only once it is held: a folder of this name that nobody holds is abandoned.
    folder = made.rename(made.with_name(made.name[1:]))
    _share_with_multiprocessing(folder)
    return folder


def _share_with_multiprocessing(folder: Path) -> None:
    """Have multiprocessing make its sockets in a folder that goes after they do.

    Relies on ``get_temp_dir`` and ``Finalize`` of ``multiprocessing.util``, which are not
    documented, as they are in Python 3.10 to 3.13: the first makes a folder where ``tempfile``
    does, keeps it for this process and removes it at the exit with priority -100.
    """
    if len(os.fsencode(folder)) + _SOCKET <= _LONGEST_SOCKET:
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            multiprocessing.util.get_temp_dir()
        finally:
            tempfile.tempdir = before
    multiprocessing.util.Finalize(
        None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=-200
    )
