"""What would outlive the worker is skipped before it is timed, and nothing else is."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch.nn import Parameter

from gradbench.block.run import measure_block
from gradbench.request.block import Block
from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.no_grad import NoGrad
from tests.conftest import TINY

CUT = (
    *TINY,
    "model.out_features=8192",
    "measurement.verify_elements=1024",
    "strategy=[foreach]",
    "zeroing=[set_to_none]",
    "baseline.optimizer._target_=tests.block.test_too_long.Slow",
)
"""A fiftieth of the elements is verified."""


@dataclass(frozen=True)
class Slow(Strategy):
    """Right, but takes its time.

    Args:
        step_s: Seconds of a step, whatever its tensors.
        element_s: Seconds of each element.
    """

    step_s: float = 0.0
    element_s: float = 0.0

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        inner = NoGrad().bind(rule, parameters, slots)
        elements = sum(parameter.numel() for parameter in parameters)

        def step() -> None:
            time.sleep(self.step_s + elements * self.element_s)
            inner.step()

        return Binding(step, inner.release)


def reasons(plan: Callable[..., Block], slow: str, limit_s: int) -> set[str | None]:
    """Say why the cells were skipped of a block whose baseline is slow."""
    limit = f"measurement.time_limit_s={limit_s}"
    block = plan(*CUT, f"+baseline.optimizer.{slow}", limit)
    return {outcome.reason for outcome in measure_block(block, lambda *_: None).outcomes}


def test_what_takes_long_by_its_elements_is_skipped(plan: Callable[..., Block]) -> None:
    (reason,) = reasons(plan, "element_s=9e-6", limit_s=4) - {None}
    assert reason is not None
    said = r"would take (\d+) s or more on this machine, and measurement.time_limit_s is 4"
    found = re.fullmatch(said, reason)
    assert found is not None
    assert int(found[1]) > 4


def test_what_takes_long_by_its_calls_is_measured(plan: Callable[..., Block]) -> None:
    """Beside a busy process threads wait for one another in each operation, whatever its size."""
    assert reasons(plan, "step_s=0.08", limit_s=20) == {None}
