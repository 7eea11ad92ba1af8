from collections.abc import Callable

from gradbench.execution import measure_block
from gradbench.plan import Block
from tests.conftest import TINY


def test_rounds_and_replicates_are_taken_though_the_budget_is_spent(
    plan: Callable[..., Block],
) -> None:
    spent = ("measurement.budget_s=0", "measurement.min_replicates=2", "measurement.min_rounds=3")
    block = plan(*TINY, *spent, "strategy=[no_grad]", "zeroing=[set_to_none]")
    isolated = measure_block(block, lambda *_: None).isolated
    assert isolated is not None
    assert (isolated.replicates, isolated.rounds) == (2, 6)
    taken = {(sample.replicate, sample.round) for sample in isolated.samples}
    assert taken == {(replicate, round_) for replicate in range(2) for round_ in range(3)}
