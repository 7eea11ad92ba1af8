"""No zeroing."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch.nn import Parameter


class Accumulate:
    """Leave ``.grad`` alone: backward adds to it."""

    releases: ClassVar[bool] = False
    accumulates: ClassVar[bool] = True

    def bind(self, parameters: Sequence[Parameter]) -> Callable[[], None]:
        def clear() -> None:
            return None

        return clear
