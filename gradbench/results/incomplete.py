"""Why there is nothing to show below a path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradbench.results.files import LeftOut, find_files, run_folder
from gradbench.results.load import load_readable


def explain_nothing(paths: Sequence[Path], left_out: Sequence[LeftOut], what: str = "cells") -> str:
    """Say in one message why nothing was found below paths.

    Args:
        paths: Where was looked.
        left_out: Files that could not be read.
        what: What was looked for.

    Returns:
        All files left out with their reasons, or the runs there are with their states, or that
        there is no run.
    """
    where = ", ".join(map(str, paths))
    if left_out:
        return f"no {what} below {where}: left out " + "; ".join(map(str, left_out))
    runs, _ = load_readable(paths, "runs")
    unfinished = {
        run_folder(file).name
        for table in ("samples", "gradients")
        for file in find_files(paths, table)
    }
    states = dict(zip(runs["run"], runs["state"], strict=True))
    names = sorted(unfinished | set(states))
    if not names:
        return f"no {what} below {where}: give a folder of results"
    begun = ", ".join(f"{name} ({states.get(name, 'half-written')})" for name in names)
    return f"no {what} below {where}: none in run {begun}"
