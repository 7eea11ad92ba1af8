"""Strategies and zeroings that are wrong, to be named by ``_target_``."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots, Unavailable
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.no_grad import NoGrad


class WrongSign(Strategy):
    """Adds the gradient."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        @torch.no_grad()
        def step() -> None:
            for parameter in parameters:
                parameter.add_(parameter.grad, alpha=rule.lr)  # type: ignore[arg-type]

        return Binding(step)


class Raises(Strategy):
    """Fails at the first step."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        def step() -> None:
            raise RuntimeError("no such kernel")

        return Binding(step)


class RaisesNothingSaid(Strategy):
    """Fails at the first step, without a message."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        def step() -> None:
            raise AssertionError

        return Binding(step)


PROTOCOLS = ("dispatch", "counting", "isolated", "training", "verification")
"""Modules that call a strategy, the innermost first where one calls another."""


def protocol() -> str | None:
    """Say by the stack who is calling."""
    frame, modules = sys._getframe(), set[str]()
    while frame.f_back is not None:
        frame = frame.f_back
        modules.add(Path(frame.f_code.co_filename).stem)
    return next((name for name in PROTOCOLS if name in modules), None)


@dataclass(frozen=True)
class RaisesIn(Strategy):
    """Right, until one protocol calls it: there it leaves a mess and raises.

    Args:
        where: Which protocol.
        what: supports, bind, step or release.
        refuses: Whether it says that it is unavailable.
    """

    where: str
    what: str = "step"
    refuses: bool = False

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        if self.what == "supports":
            raise ValueError("no idea")
        return None

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        right = NoGrad().bind(rule, parameters, slots)

        def raising(what: str, otherwise: Callable[[], None]) -> None:
            otherwise()
            if (self.where, self.what) != (protocol(), what):
                return
            for parameter, row in zip(parameters, slots, strict=True):
                parameter.data.fill_(torch.nan)
                for tensor in row.values():
                    tensor.fill_(torch.nan)
                parameter.register_post_accumulate_grad_hook(lambda p: p.data.fill_(torch.nan))
                parameter.data = torch.zeros_like(parameter.data)
            raise (Unavailable if self.refuses else RuntimeError)("no such kernel\nand more")

        raising("bind", lambda: None)
        return Binding(
            lambda: raising("step", right.step), lambda: raising("release", right.release)
        )


@dataclass(frozen=True)
class ZeroingRaisesIn:
    """Right, until one protocol calls it."""

    where: str

    releases: ClassVar[bool] = True
    accumulates: ClassVar[bool] = False

    def bind(self, parameters: Sequence[Parameter]) -> Callable[[], None]:
        def clear() -> None:
            if protocol() == self.where:
                raise RuntimeError("no zeros left")
            for parameter in parameters:
                parameter.grad = None

        return clear
