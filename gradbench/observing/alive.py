"""Whether a device still answers: after some CUDA errors nothing else in the process can run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gradbench.observing.observation import first_line


class DeviceLost(RuntimeError):
    """The device's context is lost, so that no case after this one says anything."""


@contextmanager
def alive(device: torch.device, case: str) -> Iterator[None]:
    """Carry out a case, and see that the device has survived it.

    A device-side assert or an illegal access makes every later call of the process fail. It may
    come to light long after its kernel was started, so the device is waited for here, where the
    case that is to blame is known.

    Args:
        device: Where the case runs; only CUDA can be lost.
        case: Name of the case.

    Raises:
        DeviceLost: The device does not answer any more, whatever the case raised itself.
    """
    try:
        yield
    finally:
        if device.type == "cuda":
            try:
                torch.cuda.synchronize(device)
            except Exception as error:
                raise DeviceLost(
                    f"{device} is lost since the case {case!r}, and with it all that would follow: "
                    f"{first_line(error)}"
                ) from error
