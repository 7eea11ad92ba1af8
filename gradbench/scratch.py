"""A command's temporary files, in one folder, which is removed even if the command is killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gradbench.results.lock import hold, is_held

_PREFIX = "gradbench-run-"
_LOCK = ".lock"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder for what Hydra and multiprocessing write; remove those of killed commands.

    Yields:
        The folder. Until it is removed again, Python's :mod:`tempfile` makes its files there.
    """
    before = tempfile.tempdir
    parent = Path(tempfile.gettempdir())
    for other in parent.glob(f"{_PREFIX}*"):
        if (other / _LOCK).is_file() and not is_held(other / _LOCK):
            shutil.rmtree(other, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix="gradbench-new-"))
    handle = hold(made / _LOCK)
    # Renamed once it is held: a folder of this name that nobody holds is abandoned.
    folder = made.rename(made.with_name(made.name.replace("gradbench-new-", _PREFIX)))
    tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)
