"""What a piece of code did to a gradient or a parameter, told by comparison."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor

Probe = Callable[[torch.device], Mapping[str, Any] | None]
"""Code under observation: takes a device, returns ``got``, ``right`` and maybe ``stale``, ``lost``.

Each is a tensor, a number or None: what the code ended up with, what it should be, and what it
would be had it stayed at an earlier gradient (``stale``) or had nothing been written (``lost``).
Code that is expected to raise returns nothing.
"""


_ORIGIN = re.compile(r" \(Triggered internally at [^)]*\)\.?")
"""Where in PyTorch's C++ a warning comes from, which differs from build to build."""


class State(str, Enum):
    """How what the code got relates to what is right."""

    right = "right"
    none = "none"
    zero = "zero"
    nan = "nan"
    stale = "stale"
    doubled = "doubled"
    lost = "lost"
    wrong = "wrong"
    error = "error"
    ran = "ran"


@dataclass(frozen=True)
class Symptom:
    """What running a probe showed.

    Args:
        state: What became of the gradient or update; ``error`` if the code raised, ``ran`` if it
            neither raised nor returned anything to judge.
        said: Type and text of the exception, or of the warnings; empty where there was silence.
        evidence: What the code got and what is right; empty if it raised.
        unsupported: The exception says that this device or torch lacks the operation.
    """

    state: State
    said: str = ""
    evidence: str = ""
    unsupported: bool = False

    @property
    def message(self) -> str:
        """What was said, then the evidence."""
        return "; ".join(text for text in (self.said, self.evidence) if text)


def examine(probe: Probe, device: torch.device) -> Symptom:
    """Run a probe with every warning shown, and judge what it returns.

    Args:
        probe: Code under observation.
        device: Where it runs.

    Returns:
        Its symptom. Seeds are fixed before, and torch's global state is as it was after.
    """
    with _global_state_restored(device), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            seen = probe(device)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            absent = isinstance(error, NotImplementedError) or "not implemented for '" in said
            return Symptom(State.error, said, unsupported=absent)
        state, evidence = (State.ran, "no error") if seen is None else _judge(**seen)
    return Symptom(state, "; ".join(_spoken(caught)), evidence)


def _spoken(caught: list[warnings.WarningMessage]) -> Iterator[str]:
    """Yield each warning once; what only announces a coming change says nothing of a gradient."""
    texts = {f"{each.category.__name__}: {each.message}": each.category for each in caught}
    for text, category in texts.items():
        if not issubclass(category, (DeprecationWarning, PendingDeprecationWarning)):
            yield _ORIGIN.sub("", text)


@contextmanager
def _global_state_restored(device: torch.device) -> Iterator[None]:
    """Fix the seeds, have C++ repeat its warnings, and put everything back afterwards."""
    grad_enabled, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    always = torch.is_warn_always_enabled()
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(0)
            torch.set_warn_always(True)
            yield
    finally:
        torch.set_warn_always(always)
        torch.set_grad_enabled(grad_enabled)
        torch.set_default_dtype(dtype)


def _judge(got: Any, right: Any, **otherwise: Any) -> tuple[State, str]:
    """Compare what the code got with what is right and with what it would otherwise be."""
    for name, value in otherwise.items():
        if _close(right, value):
            raise ValueError(f"{name} and right are the same, so that nothing can be told")
    evidence = f"got {_short(got)}, right {_short(right)}"
    if _close(got, right):
        return State.right, evidence
    if got is None:
        return State.none, evidence
    for name, value in otherwise.items():
        if _close(got, value):
            return State(name), evidence
    value = _plain(got)
    if value.isnan().any():
        return State.nan, evidence
    if not value.any():
        return State.zero, evidence
    if right is not None and _close(got, 2 * _plain(right)):
        return State.doubled, evidence
    return State.wrong, evidence


def _plain(value: Any) -> Tensor:
    """Return a value as a float64 tensor on the CPU, complex numbers as pairs."""
    tensor = torch.as_tensor(value).detach().to("cpu").to_dense()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor.to(torch.float64)


def _close(a: Any, b: Any) -> bool:
    """Say whether ‖a − b‖ ≤ √ε·‖b‖, with ε of the coarser dtype: half of the digits agree."""
    if a is None or b is None:
        return a is b
    x, y = _plain(a), _plain(b)
    if x.shape != y.shape:
        return False
    kept = [torch.as_tensor(value).dtype for value in (a, b)]
    ulp = max((torch.finfo(dtype).eps for dtype in kept if dtype.is_floating_point), default=0.0)
    return bool((x - y).norm() <= ulp**0.5 * y.norm())


def _short(value: Any) -> str:
    """Write a value in a few characters."""
    if value is None:
        return "None"
    flat = _plain(value).flatten().tolist()
    shown = [f"{number + 0.0:.4g}" for number in flat[:4]] + ["…"] * (len(flat) > 4)
    return shown[0] if len(flat) == 1 else f"[{', '.join(shown)}]"
