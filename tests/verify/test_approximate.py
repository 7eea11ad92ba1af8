"""Approximate strategies keep what they promise, and are told from every mutant."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gradbench.block.run import measure_block
from gradbench.rules.base import Rule
from gradbench.strategies.base import Strategy
from gradbench.verify.examination import Examination, Examiner
from gradbench.verify.truth import DISTINGUISHED
from tests.approximate import EightBit, Nearest, Rounded, Stochastic, stochastically_rounded
from tests.conftest import CPU, make


def examined(
    strategy: Strategy, dtype: torch.dtype, lr: float = 1e-3, rule_name: str = "adamw"
) -> Examination:
    torch.manual_seed(0)
    rule: Any = replace(make("rule", rule_name), lr=lr)
    return Examiner(rule, dtype, CPU).examine(strategy)


@pytest.mark.parametrize("rule_name", ["adamw", "lion", "rmsprop"])
def test_a_state_in_8_bits_keeps_its_bound(rule_name: str) -> None:
    found = examined(EightBit(), torch.float32, rule_name=rule_name)
    assert found.reason is None
    assert found.approximated is not None
    assert 0.01 < found.approximated.update_error < found.approximated.bound == 0.2


def test_a_bound_that_is_not_kept_is_wrong() -> None:
    reason = examined(EightBit(update_error=0.02), torch.float32).reason
    assert reason is not None
    assert "(the strategy states at most 2.00%)" in reason


@pytest.mark.parametrize("lr", [1e-3, 1e-5])
def test_stochastic_rounding_is_unbiased_and_rounding_to_nearest_is_not(lr: float) -> None:
    found = examined(Stochastic(), torch.bfloat16, lr)
    assert found.reason is None
    assert found.power > 100
    nearest = examined(Nearest(), torch.bfloat16, 1e-6).reason
    assert nearest is not None
    assert "biased by -" in nearest


class Mistaken:
    """A strategy with another rule than it is given."""

    def __init__(self, inner: Strategy, **changed: float) -> None:
        self.inner, self.changed = inner, changed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def bind(self, rule: Any, *rest: Any) -> Any:
        return self.inner.bind(replace(rule, **self.changed), *rest)


@pytest.mark.parametrize(
    "changed", [{"weight_decay": 0.0}, {"beta2": 0.99}, {"beta1": 0.0}, {"lr": 1e-3}]
)
@pytest.mark.parametrize("inner", [EightBit(), Stochastic()])
def test_a_mutant_is_seen_through_the_approximation(
    inner: Strategy, changed: dict[str, float]
) -> None:
    dtype = torch.float32 if isinstance(inner, EightBit) else torch.bfloat16
    mistaken: Any = Mistaken(inner, **changed)
    assert examined(mistaken, dtype).reason is not None
    right = examined(inner, dtype)
    assert right.reason is None
    assert right.power >= DISTINGUISHED


def test_an_unbiased_rounding_is_right_for_every_seed() -> None:
    rule: Rule = make("rule", "adamw")
    for seed in range(3):
        torch.manual_seed(seed)
        strategy = Rounded(stochastically_rounded)
        assert Examiner(rule, torch.bfloat16, CPU).examine(strategy).reason is None


def test_the_helper_keeps_the_mean() -> None:
    numbers = torch.full((100_000,), 1.001)
    rounded: Tensor = stochastically_rounded(numbers).float()
    assert float(rounded.mean()) == pytest.approx(1.001, abs=1e-4)
    assert set(rounded.tolist()) == {1.0, 1.0078125}


def test_its_cells_have_figures_and_are_no_ordinary_ok(plan: Any) -> None:
    block = plan(
        *("model=linear", "rule=adamw", "strategy=[no_grad]", "zeroing=[set_to_none]"),
        *("strategy@baseline=no_grad", "measurement=quick", "measurement.budget_s=0.2"),
        "measurement.replicates=2",
        *("measurement.min_replicates=2", "threads=1"),
        "+strategy.eight_bit._target_=tests.approximate.EightBit",
    )
    seen = measure_block(block, lambda *_: None)
    outcomes = {outcome.cell.name: outcome for outcome in seen.outcomes}
    cell = outcomes["eight_bit/set_to_none"]
    assert (cell.status, cell.reason) == ("approximate", None)
    assert seen.isolated is not None
    assert any(sample.cell == cell.cell.name for sample in seen.isolated.samples)
