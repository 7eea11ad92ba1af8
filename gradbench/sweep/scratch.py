"""A process's temporary files, in one folder, which is removed even if the process is killed."""

from __future__ import annotations

import multiprocessing.util
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from gradbench.results.lock import hold, is_held

_PREFIX = "gradbench-"
_LOCK = ".lock"
_SOCKET = len("/pymp-xxxxxxxx/listener-xxxxxxxx")
_LONGEST_SOCKET = 103
"""Characters that the path of a Unix socket may have (macOS; Linux allows 107)."""


@lru_cache(maxsize=1)
def scratch_folder() -> Path:
    """Make a folder for what Hydra and multiprocessing write; remove those of killed processes.

    Returns:
        The folder; it is removed when this process ends, or at the next start.
    """
    parent = Path(tempfile.gettempdir())
    for other in parent.glob(f"{_PREFIX}*"):
        if (other / _LOCK).is_file() and not is_held(other / _LOCK):
            shutil.rmtree(other, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
    hold(made / _LOCK)
    # Visible only once it is held: a folder of this name that nobody holds is abandoned.
    folder = made.rename(made.with_name(made.name[1:]))
    if len(os.fsencode(folder)) + _SOCKET <= _LONGEST_SOCKET:
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            multiprocessing.util.get_temp_dir()  # once made, it is kept for this process
        finally:
            tempfile.tempdir = before
    # After multiprocessing has removed its own, at -100.
    multiprocessing.util.Finalize(
        None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=-200
    )
    return folder
