"""Processes that a watched program forks: they are not watched."""

from __future__ import annotations

import os
import weakref

from gradbench.diagnosis.observe.recorder import Recorder

_RECORDERS: weakref.WeakSet[Recorder] = weakref.WeakSet()


def hush_in_forks(recorder: Recorder) -> None:
    """Let a recorder record nothing in processes that are forked, such as a DataLoader's.

    Args:
        recorder: The recorder; in this process it goes on.
    """
    _RECORDERS.add(recorder)


def _hush() -> None:
    for recorder in _RECORDERS:
        recorder.quiet += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_hush)
