"""The torch function mode: sees every operator with the user's stack at hand."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import Any

from torch.overrides import TorchFunctionMode

from gradbench.diagnosis.observe.attributes import SPECIAL, Handler
from gradbench.diagnosis.observe.once import Once
from gradbench.diagnosis.observe.operators import (
    let_through,
    watch_export,
    watch_operator,
    watch_property,
)
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.writes import watch_write

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
        self._handlers: dict[Any, Handler] = dict(SPECIAL)

    def passes(self, *functions: Any) -> None:
        """Let functions through without recording them: others do.

        Args:
            functions: Functions of torch.
        """
        for function in functions:
            self._handlers[function] = let_through

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
        if handler is let_through:
            return func(*args, **(kwargs or {}))
        start = perf_counter()
        once = Once(func)
        try:
            return handler(recorder, once, args, dict(kwargs) if kwargs else {})
        except Exception as error:
            if once.raised:  # the program's own
                raise
            recorder.note_failure(error)
            return once.made if once.ran else func(*args, **(kwargs or {}))
        finally:
            # What PyTorch takes is the program's; all else is ours.
            recorder.observing += perf_counter() - start - once.seconds


def _handler_of(func: Any) -> Handler:
    """Choose by the name of a function how it is recorded."""
    name = getattr(func, "__name__", "")
    if name in ("__get__", "__set__", "__delete__"):
        owner = getattr(getattr(func, "__self__", None), "__name__", "")
        return watch_property if name == "__get__" and owner in MAKES_TENSORS else let_through
    if name in SILENT:
        return let_through
    if name in EXPORTS:
        return watch_export
    in_place = name.endswith("_") and not name.startswith("__") and name not in NOT_IN_PLACE
    augmented = name.startswith("__i") and name not in ("__index__", "__invert__", "__int__")
    if in_place or augmented or name == "__setitem__":
        return watch_write
    return watch_operator
