"""The torch function mode: sees every operator with the user's stack at hand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradbench.diagnosis.observe.graph import sequence
from gradbench.diagnosis.observe.once import Once
from gradbench.diagnosis.observe.places import decorated_line, use_of_value
from gradbench.diagnosis.observe.recorder import Raw, Recorder, memory, overlap, tensors_in
from gradbench.diagnosis.observe.tensor_hooks import watch_hook
from gradbench.diagnosis.observe.writes import watch_write
from gradbench.diagnosis.timeline import Kind

Handler = Callable[[Recorder, Any, tuple[Any, ...], dict[str, Any]], Any]

EXPORTS = frozenset(
    {
        "item", "tolist", "numpy", "__array__", "__float__", "__int__", "__bool__", "__index__",
        "__repr__", "__str__", "__format__", "__complex__", "__contains__", "is_nonzero", "equal",
        "allclose",
    }
)  # fmt: skip
"""Operators that turn a tensor into something of Python."""

MAKES_TENSORS = frozenset({"T", "mT", "H", "mH", "real", "imag"})
"""Properties that are operators."""

SILENT = frozenset(
    {
        "size", "dim", "ndimension", "numel", "nelement", "stride", "storage_offset", "data_ptr",
        "is_contiguous", "element_size", "itemsize", "is_floating_point", "is_complex",
        "is_signed", "is_conj", "is_neg", "get_device", "__len__", "untyped_storage", "storage",
        "has_names", "is_tensor", "is_storage", "is_same_size", "retain_grad", "is_inference",
        "is_pinned", "__dir__", "__hash__", "is_shared", "dim_order", "is_set_to",
        "broadcast_shapes", "result_type", "can_cast", "promote_types", "names", "_is_view",
        "_version", "__iter__", "is_coalesced", "sparse_dim", "dense_dim", "_nnz", "__setstate__",
        "__reduce_ex__", "manual_seed_all",
    }
)  # fmt: skip
"""Functions that say something of a tensor and neither read nor make values."""

NOT_IN_PLACE = frozenset({"requires_grad_", "share_memory_", "rename_", "retains_grad_"})


class ObservingMode(TorchFunctionMode):
    """Records operators, writes, and what is read and set of ``.data`` and ``.grad``.

    Args:
        recorder: Where events go.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._handlers: dict[Any, Handler] = dict(_SPECIAL)

    def passes(self, *functions: Any) -> None:
        """Let functions through without recording them: others do.

        Args:
            functions: Functions of torch.
        """
        for function in functions:
            self._handlers[function] = _pass

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch, and record what it did."""
        recorder = self._recorder
        if not recorder.here:
            return func(*args, **(kwargs or {}))
        handler = self._handlers.get(func)
        if handler is None:
            handler = self._handlers[func] = _handler_of(func)
        if handler is _pass:
            return func(*args, **(kwargs or {}))
        once = Once(func)
        try:
            return handler(recorder, once, args, dict(kwargs) if kwargs else {})
        except Exception as error:
            if once.raised:  # the program's own
                raise
            recorder.note_failure(error)
            return once.made if once.ran else func(*args, **(kwargs or {}))


def _handler_of(func: Any) -> Handler:
    """Choose by the name of a function how it is recorded."""
    name = getattr(func, "__name__", "")
    if name in ("__get__", "__set__", "__delete__"):
        owner = getattr(getattr(func, "__self__", None), "__name__", "")
        return _property if name == "__get__" and owner in MAKES_TENSORS else _pass
    if name in SILENT:
        return _pass
    if name in EXPORTS:
        return _export
    in_place = name.endswith("_") and not name.startswith("__") and name not in NOT_IN_PLACE
    augmented = name.startswith("__i") and name not in ("__index__", "__invert__", "__int__")
    if in_place or augmented or name == "__setitem__":
        return watch_write
    return _operator


def _pass(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(*args, **kwargs)


def _operator(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Record an operator: what went in, what came out, and what required a gradient."""
    if "out" in kwargs and kwargs["out"] is not None:
        return watch_write(recorder, func, args, kwargs)
    made = func(*args, **kwargs)
    _record(recorder, func.__name__, args, kwargs, made)
    return made


def _property(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    made = func(*args, **kwargs)
    _record(recorder, func.__self__.__name__, args, kwargs, made)
    return made


def _record(
    recorder: Recorder,
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    made: Any,
    detail: dict[str, Any] | None = None,
) -> None:
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


def _export(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    made = func(*args, **kwargs)
    inputs = [each for each in tensors_in(args) if isinstance(each, Tensor)]
    detail: dict[str, Any] = {}
    if isinstance(made, float) and len(inputs) == 1:
        detail["value"] = made
    recorder.add(Kind.export, func.__name__, inputs, callers=False, **detail)
    return made


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
    recorder.know(data).alias = _memory_of(recorder, args[0])
    _record(recorder, "data", args, {}, data, {"data": True})
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


def _detach(recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    made = func(*args, **kwargs)
    known = recorder.know(made)
    known.alias = _memory_of(recorder, args[0])
    if known.alias is not None:
        recorder.detached(known)
    _record(recorder, func.__name__, args, kwargs, made)
    return made


def _batch_norm(
    recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Record a normalisation over the batch, and whether it writes running statistics."""
    made = func(*args, **kwargs)
    training = kwargs.get("training", args[5] if len(args) > 5 else False)
    running = kwargs.get("running_mean", args[1] if len(args) > 1 else None)
    detail = {"training": bool(training), "statistics": running is not None}
    _record(recorder, "batch_norm", args, kwargs, made, detail)
    return made


def _memory_of(recorder: Recorder, tensor: Tensor) -> int | None:
    """Return the leaf whose memory a tensor shares: itself, or the one it is known to share."""
    seen = recorder.know(tensor)
    if seen.leaf or seen.role == "gradient":
        return seen.number
    return seen.alias


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


_SPECIAL: dict[Any, Handler] = {
    _tensor_property("grad", "__get__"): _read_grad,
    _tensor_property("grad", "__set__"): _write_grad,
    _tensor_property("grad", "__delete__"): _write_grad,
    _tensor_property("data", "__get__"): _read_data,
    _tensor_property("data", "__set__"): _write_data,
    _tensor_property("requires_grad", "__set__"): _set_requires_grad,
    Tensor.requires_grad_: _set_requires_grad,
    torch.nn.functional.batch_norm: _batch_norm,
    Tensor.detach: _detach,
    torch.detach: _detach,
    Tensor.register_hook: watch_hook,
    Tensor.register_post_accumulate_grad_hook: watch_hook,
    Tensor.backward: _pass,
    torch._C._set_grad_enabled: _set_grad_mode,
    torch.autograd.grad: _autograd_grad,
}
