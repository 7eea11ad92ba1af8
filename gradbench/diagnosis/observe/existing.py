"""Modules and optimizers that were made before the observation began."""

from __future__ import annotations

import functools
import gc
from collections.abc import Collection, Iterator
from typing import Any

from torch import nn
from torch.optim import Optimizer

from gradbench.diagnosis.observe.inner_optimizer import inner_optimizer
from gradbench.diagnosis.observe.optimizers import Optimizers
from gradbench.diagnosis.observe.patches import Patches
from gradbench.diagnosis.observe.recorder import Recorder


def watch_existing(
    recorder: Recorder, optimizers: Optimizers, patches: Patches, given: Collection[object]
) -> None:
    """Watch what was made before.

    Args:
        recorder: Where events go.
        optimizers: Watches optimizers.
        patches: Where replacements are kept.
        given: Modules and optimizers; of the kind that is not among them, all that live are found.
    """
    modules = [each for each in given if isinstance(each, nn.Module)]
    built = [inner_optimizer(each) for each in given if isinstance(each, Optimizer)]
    living = [] if modules and built else list(_living())
    for module in modules or (each for each in living if isinstance(each, nn.Module)):
        recorder.names.module(module)
    recorder.names.learn()
    found = (inner_optimizer(each) for each in living if isinstance(each, Optimizer))
    for optimizer in dict.fromkeys(built or found):
        optimizers.wrap_step(type(optimizer))
        _watch_own_step(recorder, optimizers, patches, optimizer)
    for optimizer in dict.fromkeys(built):
        # Others are recorded when they step: a forgotten one must not count as an owner.
        optimizers.built(optimizer, "found")


def _living() -> Iterator[nn.Module | Optimizer]:
    gc.collect()
    for each in gc.get_objects():
        # By its type: what only poses as a module may do anything when it is asked.
        if issubclass(type(each), (nn.Module, Optimizer)):
            yield each


def _watch_own_step(
    recorder: Recorder, optimizers: Optimizers, patches: Patches, optimizer: Optimizer
) -> None:
    """Watch the step that a scheduler has put on an optimizer: it leads past its class's."""
    step = vars(optimizer).get("step")
    if not callable(step):
        return
    owner = next(each for each in type(optimizer).__mro__ if "step" in vars(each))
    own = owner.__module__.startswith("torch.optim")

    def run(_: Optimizer, *args: Any, **kwargs: Any) -> Any:
        return step(*args, **kwargs)

    @functools.wraps(step)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if not recorder.here:
            return step(*args, **kwargs)
        return optimizers.around(optimizer, run, own, args, kwargs)

    patches.replace(optimizer, "step", watched)
