"""Cases of an experiment, one after another, so that one that breaks loses no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch

from gradbench.observing.alive import alive
from gradbench.observing.observation import Observation, Verdict

Case = Callable[[torch.device], Observation]
See = Callable[[], Observation]


def observe_each(cases: Iterable[Case], device: torch.device) -> Iterator[Observation]:
    """Observe cases in order.

    Args:
        cases: Functions of the device; each sees one case.
        device: Where.

    Yields:
        What each saw; for one that raised, an observation with the verdict ``failed``.

    Raises:
        DeviceLost: The device is lost; what was seen last is not claimed.
    """
    return observe_named(
        ((getattr(case, "__name__", str(case)), partial(case, device)) for case in cases), device
    )


def observe_named(cases: Iterable[tuple[str, See]], device: torch.device) -> Iterator[Observation]:
    """Observe cases in order, each known by a name.

    Args:
        cases: Names, and functions that see one case.
        device: Where they run.

    Yields:
        What each saw; for one that raised, an observation with the verdict ``failed``.

    Raises:
        DeviceLost: The device is lost; what was seen last is not claimed.
    """
    for name, see in cases:
        with alive(device, name):
            try:
                seen = see()
            except Exception as error:  # the other cases go on
                seen = Observation(
                    case=name,
                    expected="runs",
                    outcome="broke",
                    verdict=Verdict.failed,
                    message=f"{type(error).__name__}: {error}".strip(),
                )
        yield seen


def claim(holds: bool) -> Verdict:
    """Judge a claim by whether what was seen is what it says.

    Args:
        holds: Whether it is.

    Returns:
        ``confirmed`` or ``refuted``.
    """
    return Verdict.confirmed if holds else Verdict.refuted


def documented(holds: bool) -> Verdict:
    """Judge PyTorch by whether what was seen is what its documentation says.

    Args:
        holds: Whether it is.

    Returns:
        ``as_documented`` or ``defect``.
    """
    return Verdict.as_documented if holds else Verdict.defect
