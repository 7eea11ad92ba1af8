"""Hooks that the program registers on tensors: how often, and what they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gradbench.diagnosis.observe.fingerprint import norm
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.timeline import Kind


class WatchedHook:
    """A hook of the program's, run as it is, and recorded.

    Args:
        hook: The program's.
        recorder: Where events go.
        number: Number of the tensor it is registered on.
    """

    def __init__(self, hook: Callable[..., Any], recorder: Recorder, number: int) -> None:
        self.hook = hook
        self.number = number
        self._recorder = recorder
        self.__name__ = getattr(hook, "__name__", type(hook).__name__)

    def __call__(self, gradient: Tensor) -> Any:
        """Run the hook."""
        recorder = self._recorder
        if not recorder.here:
            return self.hook(gradient)
        start = recorder.count
        taken = recorder.number(gradient)
        returned = self.hook(gradient)
        if returned is not None:
            recorder.edited.add(self.number)
        shape = gradient.shape
        made = [
            number
            for event in recorder.since(start)
            if event.kind is Kind.op and event.inputs
            for number in event.outputs
            if number in recorder.seen and recorder.seen[number].shape == shape
        ]
        recorder.add(
            *(Kind.hook_run, self.__name__, (gradient,)),
            (returned,) if isinstance(returned, Tensor) else (),
            hook=start,
            on=self.number,
            taken=taken,
            returned=returned is not None,
            same=returned is gradient,
            emptied=_emptied(gradient, returned),
            dropped=tuple(number for number in made if recorder.tensor(number) is None),
            masked=_masked(recorder, start, taken),
            names=tuple(each.name for each in recorder.since(start)),
        )
        return returned


def _emptied(gradient: Tensor, returned: Any) -> bool:
    """Say whether a hook made zeros of a gradient that was none."""
    if not isinstance(returned, Tensor) or returned is gradient:
        return False
    return norm(returned) == 0.0 and norm(gradient) > 0.0


def _masked(recorder: Recorder, start: int, taken: int) -> tuple[int, ...]:
    """Return what a hook made of its gradient and a tensor of zeros and ones."""
    found: list[int] = []
    for event in recorder.since(start):
        if event.kind is not Kind.op or taken not in event.inputs or len(event.inputs) < 2:
            continue
        others = (recorder.tensor(number) for number in event.inputs if number != taken)
        if any(each is not None and _zeros_and_ones(each) for each in others):
            found += event.outputs
    return tuple(found)


def _zeros_and_ones(tensor: Tensor) -> bool:
    with torch._C.DisableTorchFunction():
        if tensor.layout != torch.strided or tensor.numel() < 2:
            return False
        return bool(((tensor == 0) | (tensor == 1)).all()) and bool((tensor == 0).any())


def watch_hook(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Register a hook of the program's, with a watch on it.

    Args:
        recorder: Where the event goes.
        func: ``register_hook`` or ``register_post_accumulate_grad_hook``.
        args: The tensor and the hook.
        kwargs: Keyword arguments.

    Returns:
        The handle.
    """
    tensor, hook = args[0], args[1] if len(args) > 1 else kwargs.pop("hook")
    number = recorder.number(tensor)
    accumulated = func.__name__ == "register_post_accumulate_grad_hook"
    code = getattr(hook, "__code__", None)
    if accumulated:
        handle = func(tensor, hook, **kwargs)
    else:
        handle = func(tensor, WatchedHook(hook, recorder, number), **kwargs)
    registered = getattr(tensor, "_backward_hooks", None) or {}
    alike = sum(
        code is not None and getattr(getattr(each, "hook", None), "__code__", None) is code
        for each in registered.values()
    )
    recorder.add(
        *(Kind.hook, func.__name__, (tensor,)),
        leaf=tensor.is_leaf,
        alike=0 if accumulated else alike,
        accumulated=accumulated,
    )
    return handle
