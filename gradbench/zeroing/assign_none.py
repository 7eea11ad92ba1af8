"""``p.grad = None`` by hand."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch.nn import Parameter


class AssignNone:
    """Assign None to every ``.grad``."""

    releases: ClassVar[bool] = True
    accumulates: ClassVar[bool] = False

    def bind(self, parameters: Sequence[Parameter]) -> Callable[[], None]:
        def clear() -> None:
            for parameter in parameters:
                parameter.grad = None

        return clear
