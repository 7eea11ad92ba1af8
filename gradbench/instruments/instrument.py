"""What measures: one function for each tool and way of using it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from gradbench.instruments.subject import Subject

Measure = Callable[[Subject, float, int], dict[str, float]]
"""From a subject, seconds of sampling and a seed to the baseline's time over that of each arm."""


def missing(package: str) -> str | None:
    """Say how to get a package that is not there.

    Args:
        package: Its name on PyPI.

    Returns:
        The reason why an instrument cannot be used; None where it can.
    """
    if importlib.util.find_spec(package.replace("-", "_")) is not None:
        return None
    return f"{package} is not installed: pip install 'torch-gradbench[instruments]'"
