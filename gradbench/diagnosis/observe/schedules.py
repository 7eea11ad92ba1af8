"""Schedulers of learning rates: when they step, and what the rates become."""

from __future__ import annotations

import functools
from typing import Any

from torch.optim import lr_scheduler

from gradbench.diagnosis.observe.optimizers import Optimizers
from gradbench.diagnosis.observe.patches import Patches
from gradbench.diagnosis.observe.places import running
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.timeline import Kind


def watch_schedules(recorder: Recorder, optimizers: Optimizers, patches: Patches) -> None:
    """Replace the methods by which schedulers step.

    Args:
        recorder: Where events go.
        optimizers: Knows the optimizers.
        patches: Where the replacements are kept.
    """
    kinds = {each for each in vars(lr_scheduler).values() if isinstance(each, type)}
    for kind in kinds:
        if "step" in vars(kind) and kind.__module__ == lr_scheduler.__name__:
            patches.replace(kind, "step", _watched(recorder, optimizers, vars(kind)["step"]))


def _watched(recorder: Recorder, optimizers: Optimizers, original: Any) -> Any:
    @functools.wraps(original)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        optimizer = getattr(self, "optimizer", None)
        if not recorder.here or optimizer is None or running("_initial_step", "lr_scheduler.py"):
            return original(self, *args, **kwargs)
        before = optimizers.rates(optimizer)
        with recorder.hushed():
            made = original(self, *args, **kwargs)
        recorder.add(
            *(Kind.schedule, type(self).__name__),
            optimizer=optimizers.number(optimizer),
            lr_before=before,
            lr_after=optimizers.rates(optimizer),
        )
        return made

    return step
