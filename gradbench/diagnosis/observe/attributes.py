"""What is read and set: `.grad`, `.data`, requires_grad, the switch of gradients."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gradbench.diagnosis.observe.graph import sequence
from gradbench.diagnosis.observe.operators import (
    let_through,
    memory_of,
    record,
    watch_batch_norm,
    watch_detach,
)
from gradbench.diagnosis.observe.places import decorated_line, use_of_value
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensor_hooks import watch_hook
from gradbench.diagnosis.observe.tensors import memory, overlap, tensors_in
from gradbench.diagnosis.timeline import Kind

Handler = Callable[[Recorder, Any, tuple[Any, ...], dict[str, Any]], Any]


def _read_grad(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Record who reads ``.grad``, and what becomes of the value."""
    gradient = func(*args, **kwargs)
    tensor = args[0]
    seen = recorder.know(tensor)
    frames = recorder.places.frames()
    use = "used"
    if frames:
        direct = sys._getframe(2) is frames[0] or sys._getframe(1).f_back is frames[0]
        use = use_of_value(frames[0].f_code, frames[0].f_lasti) if direct else "torch"
    if isinstance(gradient, Tensor):
        known = recorder.know(gradient)
        known.of, known.role = seen.number, "gradient"
    detail: dict[str, Any] = {"none": gradient is None, "use": use, "leaf": tensor.is_leaf}
    if not tensor.is_leaf:
        detail["retained"] = tensor.retains_grad
    outputs = (gradient,) if isinstance(gradient, Tensor) else ()
    recorder.add(Kind.grad_read, "grad", (tensor,), outputs, **detail)
    if gradient is None:
        recorder.names.look(frames)
    return gradient


def _write_grad(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Record an assignment to ``.grad``."""
    tensor = args[0]
    value = args[1] if len(args) > 1 else None
    with torch._C.DisableTorchFunction():
        before = tensor.grad
    func(*args, **kwargs)
    had = before is not None
    outputs: tuple[Tensor, ...] = ()
    detail: dict[str, Any] = {"none": value is None, "had": had}
    if isinstance(value, Tensor):
        known = recorder.know(value)
        known.of, known.role = recorder.number(tensor), "gradient"
        outputs = (value,)
        detail["strides"] = (tuple(value.stride()), tuple(tensor.stride()))
        detail["same"] = before is value
        recorder.edited.add(known.of)
    recorder.add(Kind.grad_write, "grad", (tensor,), outputs, callers=False, **detail)
    if value is None and had:
        recorder.cleared((recorder.number(tensor),), "hand", True)
    return None


def _read_data(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    data = func(*args, **kwargs)
    recorder.know(data).alias = memory_of(recorder, args[0])
    record(recorder, "data", args, {}, data, {"data": True})
    return data


def _write_data(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Record an assignment to ``.data``: the parameter gets other memory."""
    tensor, value = args[0], args[1]
    dtype = str(tensor.dtype)
    func(*args, **kwargs)
    recorder.moved_memory()
    shared = recorder.leaf_of_memory(tensor)
    recorder.add(
        *(Kind.data_write, "data", (value,), (tensor,)),
        dtypes=(dtype.removeprefix("torch."), str(tensor.dtype).removeprefix("torch.")),
        shares=shared,
    )
    known = recorder.know(value)
    if known.alias is None:
        known.alias = recorder.number(tensor)
    return None


def _set_requires_grad(
    recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    tensor = args[0]
    before = tensor.requires_grad
    made = func(*args, **kwargs)
    with torch._C.DisableTorchFunction():
        has_grad = tensor.is_leaf and tensor.grad is not None
    recorder.add(
        *(Kind.requires_grad, "requires_grad", (), (tensor,)),
        out_live=tensor.requires_grad,
        value=tensor.requires_grad,
        before=before,
        has_grad=has_grad,
    )
    return made


def _set_grad_mode(
    recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    before = torch.is_grad_enabled()
    made = func(*args, **kwargs)
    recorder.add(
        *(Kind.grad_mode, "grad_mode"),
        callers=False,
        value=torch.is_grad_enabled(),
        before=before,
        decorated=decorated_line(),
    )
    return made


def _autograd_grad(
    recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Record ``torch.autograd.grad``: what was differentiated, and whether that was recorded."""
    roots, inputs = tuple(tensors_in(args[0])), tuple(tensors_in(args[1]))
    recorder.hand_update()
    try:
        made = func(*args, **kwargs)
    except RuntimeError:
        recorder.failed = tuple(map(recorder.number, roots)), tuple(map(recorder.number, inputs))
        raise
    gradients = tuple(tensors_in(made))
    create = kwargs.get("create_graph")
    retain = kwargs.get("retain_graph")
    index = recorder.add(
        *(Kind.gradient, "grad", (*roots, *inputs), gradients),
        out_live=any(each.requires_grad for each in gradients),
        roots=tuple(map(recorder.number, roots)),
        of=tuple(map(recorder.number, inputs)),
        create_graph=bool(create),
        retain_graph=bool(create if retain is None else retain),
        shared=_sharing(recorder, gradients),
    )
    recorder.differentiated.update(map(recorder.number, inputs))
    nodes = [each.grad_fn for each in gradients if each.grad_fn is not None]
    if nodes:
        recorder.graph.reached(max(nodes, key=lambda node: sequence(node) or 0), index)
    return made


def _sharing(recorder: Recorder, gradients: tuple[Tensor, ...]) -> tuple[int, ...]:
    """Return the gradients that share an element in memory with another one of them."""
    found: set[int] = set()
    by_memory: dict[int, list[Tensor]] = {}
    for gradient in gradients:
        place = memory(gradient)
        if not place or gradient.layout != torch.strided:
            continue
        for other in by_memory.setdefault(place, []):
            if overlap(other, gradient):
                found.update((recorder.number(other), recorder.number(gradient)))
        by_memory[place].append(gradient)
    return tuple(sorted(found))


def _tensor_property(name: str, method: str) -> Any:
    return getattr(getattr(Tensor, name), method)


SPECIAL: dict[Any, Handler] = {
    _tensor_property("grad", "__get__"): _read_grad,
    _tensor_property("grad", "__set__"): _write_grad,
    _tensor_property("grad", "__delete__"): _write_grad,
    _tensor_property("data", "__get__"): _read_data,
    _tensor_property("data", "__set__"): _write_data,
    _tensor_property("requires_grad", "__set__"): _set_requires_grad,
    Tensor.requires_grad_: _set_requires_grad,
    torch.nn.functional.batch_norm: watch_batch_norm,
    Tensor.detach: watch_detach,
    torch.detach: watch_detach,
    Tensor.register_hook: watch_hook,
    Tensor.register_post_accumulate_grad_hook: watch_hook,
    Tensor.backward: let_through,
    torch._C._set_grad_enabled: _set_grad_mode,
    torch.autograd.grad: _autograd_grad,
}
