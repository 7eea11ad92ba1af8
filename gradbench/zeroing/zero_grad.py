"""``optimizer.zero_grad()``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch.nn import Parameter


@dataclass(frozen=True)
class ZeroGrad:
    """``optimizer.zero_grad(set_to_none=…)``.

    Args:
        set_to_none: Assign None instead of writing zeros.

    Source: documentation of torch.optim.Optimizer.zero_grad; None is the default since PyTorch
    2.0 (pytorch/pytorch#92731).
    """

    set_to_none: bool

    accumulates: ClassVar[bool] = False

    @property
    def releases(self) -> bool:
        return self.set_to_none

    def bind(self, parameters: Sequence[Parameter]) -> Callable[[], None]:
        # zero_grad belongs to torch.optim.Optimizer: every optimizer has this one.
        optimizer = torch.optim.SGD(parameters, lr=1.0)
        return partial(optimizer.zero_grad, set_to_none=self.set_to_none)
