"""``p.grad.zero_()`` by hand."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch.nn import Parameter


class ZeroInPlace:
    """Write zeros into every ``.grad``."""

    releases: ClassVar[bool] = False
    accumulates: ClassVar[bool] = False

    def bind(self, parameters: Sequence[Parameter]) -> Callable[[], None]:
        def clear() -> None:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad.zero_()

        return clear
