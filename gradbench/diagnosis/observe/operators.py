"""Operators: what went in, what came out, and what required a gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradbench.diagnosis.observe.raw import Raw
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensors import tensors_in
from gradbench.diagnosis.observe.writes import watch_write
from gradbench.diagnosis.timeline import Kind


def let_through(
    recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run a function that others record, or nobody needs to."""
    return func(*args, **kwargs)


def watch_operator(
    recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Record an operator: what went in, what came out, and what required a gradient."""
    if "out" in kwargs and kwargs["out"] is not None:
        return watch_write(recorder, func, args, kwargs)
    made = func(*args, **kwargs)
    record(recorder, func.__name__, args, kwargs, made)
    return made


def watch_property(
    recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Record a property that is an operator, such as ``T``."""
    made = func(*args, **kwargs)
    record(recorder, func.__self__.__name__, args, kwargs, made)
    return made


def record(
    recorder: Recorder,
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    made: Any,
    detail: dict[str, Any] | None = None,
) -> None:
    """Record an operator that has run."""
    know = recorder.know
    inputs: list[int] = []
    live: list[int] = []
    for tensor in tensors_in((args, kwargs) if kwargs else args, 4):
        number = know(tensor).number
        inputs.append(number)
        if tensor.requires_grad:
            live.append(number)
    outputs: list[int] = []
    constant: list[int] = []
    for tensor in (made,) if isinstance(made, Tensor) else tensors_in(made):
        outputs.append(know(tensor).number)
        if not tensor.requires_grad:
            constant.append(outputs[-1])
    if not outputs:
        return
    out_live = len(constant) < len(outputs)
    line, api = recorder.places.here()
    said = detail or _shapes(name, args, made)
    if constant and out_live:
        # Indices beside values, such as those of topk, pass no gradient on.
        said = {**said, "constant": tuple(constant)}
    index = recorder.count
    recorder.count += 1
    recorder.events.append(
        Raw(
            *(index, recorder.step, Kind.op, name, line, (), api),
            *(tuple(inputs), tuple(live), tuple(outputs), out_live),
            *(torch.is_grad_enabled(), said),
        )
    )
    if out_live and isinstance(made, Tensor) and made.grad_fn is not None:
        recorder.graph.reached(made.grad_fn, index)


_NOTHING: dict[str, Any] = {}

_SUMS = frozenset({"add", "sub", "__radd__", "__rsub__", "rsub", "__add__", "__sub__", "subtract"})


def _shapes(name: str, args: tuple[Any, ...], made: Any) -> dict[str, Any]:
    """Keep the shapes where two tensors of different ones meet, and a factor that is a number."""
    if len(args) >= 2:
        a, b = args[0], args[1]
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            if a.shape != b.shape:
                return {"shapes": (tuple(a.shape), tuple(b.shape))}
        elif isinstance(b, (int, float)) and name in ("mul", "__rmul__", "truediv", "div"):
            return {"factor": float(b)}
        elif isinstance(b, (int, float)) and name in _SUMS:
            return {"number": float(b)}
    return _NOTHING


def watch_export(
    recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Record what turns a tensor into something of Python."""
    made = func(*args, **kwargs)
    inputs = [each for each in tensors_in(args) if isinstance(each, Tensor)]
    detail: dict[str, Any] = {}
    if isinstance(made, float) and len(inputs) == 1:
        detail["value"] = made
    recorder.add(Kind.export, func.__name__, inputs, callers=False, **detail)
    return made


def watch_detach(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Record ``detach``, and whose memory the result shares."""
    made = func(*args, **kwargs)
    known = recorder.know(made)
    known.alias = memory_of(recorder, args[0])
    if known.alias is not None:
        recorder.detached(known)
    record(recorder, func.__name__, args, kwargs, made)
    return made


def watch_batch_norm(
    recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Record a normalisation over the batch, and whether it writes running statistics."""
    made = func(*args, **kwargs)
    training = kwargs.get("training", args[5] if len(args) > 5 else False)
    running = kwargs.get("running_mean", args[1] if len(args) > 1 else None)
    detail = {"training": bool(training), "statistics": running is not None}
    record(recorder, "batch_norm", args, kwargs, made, detail)
    return made


def memory_of(recorder: Recorder, tensor: Tensor) -> int | None:
    """Return the leaf whose memory a tensor shares: itself, or the one it is known to share."""
    seen = recorder.know(tensor)
    if seen.leaf or seen.role == "gradient":
        return seen.number
    return seen.alias
