"""What PyTorch's profiler saw, event by event."""

from __future__ import annotations

from typing import Any

from torch.profiler import profile


def events_of(trace: profile) -> list[Any]:
    """Return the events of a trace, as they were recorded.

    Relies on ``profiler.kineto_results`` and on methods of its events, ``name``, ``start_ns``,
    ``nbytes``, ``device_type`` and ``is_user_annotation``, as in torch 2.5 to 2.13: the public
    ``profile.events()`` does not keep each allocation, and takes long to make.

    Args:
        trace: Ended.

    Returns:
        Kineto's events.
    """
    profiler: Any = trace.profiler
    return list(profiler.kineto_results.events())
