"""What cuts a graph: the kinds of cuts, and the line to point at for each."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.flow import Cut
from gradbench.diagnosis.timeline import Event, Kind, Timeline


class Cause(str, Enum):
    """Why a gradient ends at a cut."""

    detach = "detach"  # `detach`
    data = "data"  # `.data` was read
    no_grad = "no_grad"  # gradients were off
    copied = "copied"  # `torch.tensor` and its like copied values
    discrete = "discrete"  # a comparison, indices, integers: no derivative exists
    sample = "sample"  # a distribution was sampled without reparameterisation
    parameter = "parameter"  # an nn.Parameter was made of the tensor
    gradient = "gradient"  # `autograd.grad` without create_graph
    checkpoint = "checkpoint"  # a reentrant checkpoint whose inputs need no gradient
    state_dict = "state_dict"  # the tensors of a state dict
    stacked = "stacked"  # `stack_module_state`
    function = "function"  # a custom Function whose result requires no gradient
    deepcopy = "deepcopy"  # a parameter was copied
    inner = "inner"  # PyTorch itself switched gradients off, as when it parametrizes


_COPIES = frozenset(
    ["tensor", "new_tensor", "as_tensor", "asarray", "scalar_tensor", "full", "new_full",
     "full_like", "from_numpy"]
)  # fmt: skip

DISCRETE = frozenset(
    ["gt", "lt", "ge", "le", "eq", "ne", "greater", "less", "greater_equal", "less_equal",
     "not_equal", "__gt__", "__lt__", "__ge__", "__le__", "__eq__", "__ne__", "isclose",
     "isfinite", "isnan", "isinf", "argmax", "argmin", "argsort", "argwhere", "nonzero",
     "one_hot", "topk", "max", "min", "sort", "kthvalue", "mode", "median", "searchsorted",
     "bucketize", "long", "int", "short", "byte", "char", "bool", "multinomial", "histc",
     "bincount", "unique", "logical_and", "logical_or", "logical_not", "logical_xor",
     "count_nonzero", "round", "floor", "ceil", "sign"]
)  # fmt: skip
"""Operators whose result has no derivative, whatever the mode."""

_INTEGERS = ("int", "uint", "bool")


def cause_of(timeline: Timeline, cut: Cut) -> Cause:
    """Say what a cut is.

    Args:
        timeline: What was seen.
        cut: The cut.
    """
    event = cut.event
    name, api = event.name, event.api
    by_kind = {
        Kind.parameter: Cause.parameter,
        Kind.copy: Cause.deepcopy,
        Kind.gradient: Cause.gradient,
        Kind.functional: Cause.gradient,
    }
    if event.kind in by_kind:
        return by_kind[event.kind]
    if _segment_of(timeline, event) is not None:
        return Cause.checkpoint
    if api.endswith(".stack_module_state"):
        return Cause.stacked
    if api.endswith(".state_dict") or api.endswith("._save_to_state_dict"):
        return Cause.state_dict
    if api.startswith("torch.distributions.") and api.endswith((".sample", ".sample_n")):
        return Cause.sample
    if name == "data" or _written_through_data(timeline, event):
        return Cause.data
    if name in ("detach", "detach_"):
        return Cause.detach
    if name in _COPIES:
        return Cause.copied
    if not event.grad_mode and not _is_discrete(timeline, event):
        return Cause.no_grad if _by_the_user(timeline, event) else Cause.inner
    if event.kind is Kind.function:
        return Cause.function
    return Cause.discrete


def _written_through_data(timeline: Timeline, event: Event) -> bool:
    """Say whether an operator wrote in place where autograd, switched on, did not see it."""
    if event.kind is not Kind.write or not event.grad_mode:
        return False
    written = [timeline.tensors[number] for number in event.outputs if number in timeline.tensors]
    return not any(tensor.dtype.startswith(_INTEGERS) for tensor in written)


def line_of(timeline: Timeline, cut: Cut, cause: Cause) -> Place:
    """Return the line to point at: that of the cut, or of what switched gradients off.

    Args:
        timeline: What was seen.
        cut: The cut; it has a place.
        cause: What it is.
    """
    place: Place | None = None
    if cause is Cause.no_grad:
        switch = switched_off(timeline, cut.event)
        place = switch_line(switch) if switch is not None else None
    elif cause is Cause.checkpoint:
        segment = _segment_of(timeline, cut.event)
        place = segment.place if segment is not None else None
    found = place or cut.event.place
    assert found is not None
    return found


def switched_off(timeline: Timeline, event: Event) -> Event | None:
    """Return what switched gradients off, for an event that ran without."""
    found = None
    for each in timeline.of(Kind.grad_mode):
        if each.index > event.index:
            break
        if each.detail["before"] and not each.detail["value"]:
            found = each
    return found


def switch_line(switch: Event) -> Place | None:
    """Return the line that switched gradients off: of the decorator where it was one."""
    decorated = switch.detail.get("decorated")
    if decorated is not None and not _of_a_library(decorated[0]):
        return Place(*decorated)
    return switch.place


_SWITCHES = ("torch.autograd.grad_mode.", "torch.utils._contextlib.decorate_context")


def _by_the_user(timeline: Timeline, event: Event) -> bool:
    """Say whether a line of the program switched gradients off, not one within PyTorch."""
    switch = switched_off(timeline, event)
    return switch is None or not switch.api or switch.api.startswith(_SWITCHES)


def _of_a_library(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file


def _is_discrete(timeline: Timeline, event: Event) -> bool:
    kinds = [timeline.tensors[number].dtype for number in event.outputs
             if number in timeline.tensors]  # fmt: skip
    return event.name in DISCRETE and all(each.startswith(_INTEGERS) for each in kinds)


@lru_cache(maxsize=4)
def _segments(timeline: Timeline) -> tuple[Event, ...]:
    return tuple(
        event
        for event in timeline.of(Kind.checkpoint)
        if not event.detail["again"] and not event.out_live and not event.grad_mode
    )


def _segment_of(timeline: Timeline, event: Event) -> Event | None:
    """Return the checkpointed segment, of inputs without gradient, that an event ran in."""
    for segment in _segments(timeline):
        if segment.detail["segment"] <= event.index <= segment.index and not segment.live:
            return segment
    return None
