"""Tensors saved for backward: whether they are still the same when backward uses them."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from gradbench.diagnosis.observe.fingerprint import fingerprint
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensors import node_of
from gradbench.diagnosis.timeline import Kind

_ADVICE = (
    "Hint: enable anomaly detection to find the operation that failed to compute its gradient, "
    "with torch.autograd.set_detect_anomaly(True, check_nan=False)."
)


class Saved:
    """A tensor that autograd saved.

    Args:
        tensor: What is kept: the tensor itself, as autograd would keep it.
        version: Its version counter then.
        contents: Its fingerprint then.
        number: Its number.
        operator: Index of the event that saved it.
        node: Name of the node whose result it is.
    """

    __slots__ = ("contents", "node", "number", "operator", "tensor", "version")

    def __init__(
        self,
        tensor: Tensor,
        version: int,
        contents: int | None,
        number: int,
        operator: int,
        node: str = "",
    ) -> None:
        self.tensor = tensor
        self.version = version
        self.contents = contents
        self.number = number
        self.operator = operator
        self.node = node


class SavedTensors:
    """The hooks that autograd calls when it saves a tensor and when it uses it.

    Args:
        recorder: Where events go.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._told: set[tuple[int, int]] = set()

    def pack(self, tensor: Tensor) -> Saved:
        """Keep a tensor with its version and fingerprint."""
        recorder = self._recorder
        with torch._C.DisableTorchFunction(), recorder.counted():
            version = -1 if tensor.is_inference() else tensor._version
            kept = tensor.detach() if _is_result_of_its_own_node(tensor) else tensor
            number = recorder.number(tensor)
            made_by = node_of(tensor)
            node = made_by.name() if made_by is not None else ""
            return Saved(kept, version, fingerprint(tensor), number, recorder.count, node)

    def unpack(self, saved: Saved) -> Tensor:
        """Hand a tensor back, and record it where it has changed.

        Raises:
            RuntimeError: As autograd does, where the tensor's version is another.
        """
        recorder, tensor = self._recorder, saved.tensor
        with torch._C.DisableTorchFunction(), recorder.counted():
            bumped = saved.version >= 0 and tensor._version != saved.version
            changed = bumped or (
                saved.contents is not None and fingerprint(tensor) != saved.contents
            )
            if changed and (saved.operator, saved.number) not in self._told:
                self._told.add((saved.operator, saved.number))
                self._tell(saved, bumped)
            if bumped:
                raise RuntimeError(_refusal(saved))
            return tensor

    def watched(self, pack: Any, unpack: Any) -> tuple[Any, Any]:
        """Watch the program's own hooks: what they keep as it is loses autograd's check.

        Args:
            pack: The program's pack hook.
            unpack: Its unpack hook.

        Returns:
            Hooks that do the same.
        """

        def watched_pack(tensor: Tensor) -> Any:
            packed = pack(tensor)
            if not isinstance(packed, Tensor):
                return packed
            with torch._C.DisableTorchFunction():
                version = -1 if packed.is_inference() else packed._version
                number, count = self._recorder.number(packed), self._recorder.count
                return Saved(packed, version, fingerprint(packed), number, count)

        def watched_unpack(packed: Any) -> Any:
            if not isinstance(packed, Saved):
                return unpack(packed)
            with torch._C.DisableTorchFunction():
                if packed.contents != fingerprint(packed.tensor):
                    self._tell(packed, False)
            return unpack(packed.tensor)

        return watched_pack, watched_unpack

    def _tell(self, saved: Saved, bumped: bool) -> None:
        recorder = self._recorder
        number = recorder.number(saved.tensor)
        leaf = saved.number if recorder.seen[saved.number].leaf else None
        recorder.add(
            *(Kind.changed, "saved tensor", (saved.tensor,)),
            operator=saved.operator,
            tensor=saved.number,
            leaf=recorder.leaf_of_memory(saved.tensor) if leaf is None else leaf,
            versions=(saved.version, recorder.version(number)),
            refused=bumped,
            writes=recorder.writes(saved.tensor, saved.operator + 1),
        )


def _is_result_of_its_own_node(tensor: Tensor) -> bool:
    """Say whether a node saves its own result: kept as it is, that would be a cycle."""
    if tensor.grad_fn is None:
        return False
    counter = getattr(torch._C._autograd, "_get_sequence_nr", None)
    return counter is None or bool(tensor.grad_fn._sequence_nr() >= counter() - 1)


def _refusal(saved: Saved) -> str:
    """Say what autograd says of a tensor that was written since it was saved."""
    tensor = saved.tensor
    kind = tensor.type() if tensor.layout == torch.strided else str(tensor.dtype)
    function = re.sub(r"Backward\d*$", "", saved.node)
    made_by = f", which is output {tensor.output_nr} of {function}," if function else ""
    return (
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [{kind} {list(tensor.shape)}]{made_by} is at version {tensor._version}; "
        f"expected version {saved.version} instead. {_ADVICE}"
    )
