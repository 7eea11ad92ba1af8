"""What a task is called in the progress lines."""

from __future__ import annotations

from gradbench.observing.trial import Trial
from gradbench.request.block import Block
from gradbench.terminal import figures


def label_of(task: Block | Trial) -> str:
    """Name a task in the progress lines, by what was asked for.

    Args:
        task: A block or a trial.

    Returns:
        What is measured or observed, and the device; of a block the options that differ from their
        files, and the type unless it is float32; the threads where they were given.
    """
    if isinstance(task, Block):
        dtype = "" if task.dtype == "float32" else task.dtype
        parts = [part for part in (task.model, task.rule, task.changed, dtype) if part]
    else:
        parts = [task.experiment]
    threads = [] if task.threads is None else [figures.threads(task.threads)]
    return " · ".join([*parts, task.device, *threads])
