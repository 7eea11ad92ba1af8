"""A function of PyTorch's that runs once, whatever happens to the observation of it."""

from __future__ import annotations

from time import perf_counter
from typing import Any


class Once:
    """A function, and what became of calling it.

    What it raised is not kept: its traceback would keep the program's tensors.

    Args:
        function: PyTorch's.
    """

    __slots__ = ("function", "made", "raised", "ran", "seconds")

    def __init__(self, function: Any) -> None:
        self.function = function
        self.made: Any = None
        self.ran = False
        self.raised = False
        self.seconds = 0.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and remember what it returned, whether it raised, and its time."""
        self.ran = True
        start = perf_counter()
        try:
            self.made = self.function(*args, **kwargs)
        except BaseException:
            self.raised = True
            raise
        finally:
            self.seconds = perf_counter() - start
        return self.made

    @property
    def __name__(self) -> str:
        return str(self.function.__name__)

    @property
    def __self__(self) -> Any:
        return self.function.__self__
