"""``torch._foreach_zero_`` on all gradients."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch.nn import Parameter


class ForeachZero:
    """Write zeros into all gradients with one ``torch._foreach_zero_``."""

    releases: ClassVar[bool] = False
    accumulates: ClassVar[bool] = False

    def bind(self, parameters: Sequence[Parameter]) -> Callable[[], None]:
        def clear() -> None:
            gradients = [p.grad for p in parameters if p.grad is not None]
            if gradients:
                torch._foreach_zero_(gradients)

        return clear
