"""Scaling and clipping: a GradScaler's doings, and the norms that clipping found."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import GeneratorType
from typing import Any

import torch
from torch import Tensor

from gradbench.diagnosis.observe.optimizers import Optimizers
from gradbench.diagnosis.observe.patches import Patches
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensors import tensors_in
from gradbench.diagnosis.timeline import Kind


def watch_scaling(recorder: Recorder, optimizers: Optimizers, patches: Patches) -> None:
    """Replace the methods of GradScaler, and the functions that clip.

    Args:
        recorder: Where events go.
        optimizers: Knows the optimizers.
        patches: Where the replacements are kept.
    """
    scaler = torch.amp.GradScaler
    for name in ("scale", "unscale_", "step", "update", "get_scale"):
        patches.replace(scaler, name, _scaling(recorder, optimizers, name, getattr(scaler, name)))
    clip = torch.nn.utils.clip_grad
    for name in ("clip_grad_norm_", "clip_grad_value_"):
        patches.replace_everywhere(clip, name, _clipping(recorder, name, getattr(clip, name)))


def _scaling(recorder: Recorder, optimizers: Optimizers, name: str, original: Any) -> Any:
    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not recorder.here:
            return original(self, *args, **kwargs)
        steps = recorder.step
        before = self._scale
        scale = 1.0 if before is None else float(before)
        made = original(self, *args, **kwargs)
        after = float(self._scale) if self._scale is not None else 1.0
        optimizer = args[0] if args and isinstance(args[0], torch.optim.Optimizer) else None
        detail: dict[str, Any] = {"scaler": id(self), "before": scale, "scale": after}
        if optimizer is not None:
            detail["optimizer"] = optimizers.number(optimizer)
            detail["held"] = optimizers.held(optimizer)
            detail["stepped"] = recorder.step > steps
        detail["enabled"] = self.is_enabled()
        inputs = list(tensors_in(args)) if name == "scale" else []
        outputs = list(tensors_in(made)) if name == "scale" else []
        recorder.add(Kind.scale, name, inputs, outputs, out_live=bool(outputs), **detail)
        return made

    return watched


def _clipping(recorder: Recorder, name: str, original: Any) -> Any:
    @functools.wraps(original)
    def watched(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        if not recorder.here:
            return original(parameters, *args, **kwargs)
        if isinstance(parameters, Tensor):
            tensors = [parameters]
            given: Any = parameters
        elif isinstance(parameters, GeneratorType):
            tensors = list(parameters)
            given = (each for each in tensors)  # a generator again: the function asks for it
        else:
            tensors = list(parameters)
            given = tensors
        with torch._C.DisableTorchFunction():
            clipped = [each for each in tensors if each.is_leaf and each.grad is not None]
        with recorder.hushed():
            made = original(given, *args, **kwargs)
        named = kwargs.get("max_norm", kwargs.get("clip_value"))
        limit = args[0] if args else named
        recorder.add(
            *(Kind.clip, name, (), tensors),
            clipped=tuple(map(recorder.number, clipped)),
            given=len(tensors),
            iterator=isinstance(parameters, Iterator),
            limit=float(limit) if isinstance(limit, (int, float)) else None,
            norm=float(made) if isinstance(made, Tensor) else None,
        )
        return made

    return watched
