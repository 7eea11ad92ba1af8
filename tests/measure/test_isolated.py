from collections.abc import Callable

import torch

from gradbench.execution import measure_block
from gradbench.plan import Block
from tests.conftest import TINY


def test_rounds_and_replicates_are_taken_though_the_budget_is_spent(
    plan: Callable[..., Block], device: torch.device
) -> None:
    spent = ("measurement.budget_s=0", "measurement.min_replicates=2", "measurement.min_rounds=3")
    asked = ("strategy=[no_grad]", "zeroing=[set_to_none]", f"device={device.type}")
    block = plan(*TINY, *spent, *asked)
    isolated = measure_block(block, lambda *_: None).isolated
    assert isolated is not None
    assert (isolated.replicates, isolated.rounds) == (2, 6)
    taken = {(sample.replicate, sample.round) for sample in isolated.samples}
    assert taken == {(replicate, round_) for replicate in range(2) for round_ in range(3)}
    # On the CPU the host's clock is the device's.
    clocked = {sample.device_s is not None for sample in isolated.samples}
    assert clocked == {device.type != "cpu"}
