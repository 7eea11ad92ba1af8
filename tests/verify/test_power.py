"""Every mutant of every rule is wrong, in every type; the rule itself is not."""

import pytest
import torch

from gradbench.rules.base import Rule
from gradbench.rules.mutants import neighbour
from gradbench.verify.examination import Examiner
from gradbench.verify.truth import DISTINGUISHED, distances
from gradbench.verify.verification import verify
from tests.conftest import CPU, allocate, make, options
from tests.mutants import mutant, right

RULES = sorted(options("rule"))
DTYPES = ["bfloat16", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule_name", RULES)
def test_every_mutant_is_far_and_is_called_wrong(rule_name: str, dtype: str) -> None:
    rule: Rule = make("rule", rule_name)
    torch.manual_seed(0)
    examiner = Examiner(rule, getattr(torch, dtype), CPU)
    for float32_count in (False, True):
        far = examiner.distances(float32_count)
        assert len(far) >= len(rule.slots) + 3
        assert min(far.values()) >= DISTINGUISHED, min(far, key=far.__getitem__)
    for name in far:
        examined = examiner.examine(mutant(name))
        assert examined.reason is not None, name
    assert examiner.examine(right()).reason is None


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule_name", RULES)
def test_what_is_right_is_not_called_wrong(rule_name: str, dtype: str, seed: int) -> None:
    """A thousand seeds and more are in experiments/verification_power.md."""
    rule: Rule = make("rule", rule_name)
    torch.manual_seed(seed)
    for strategy in (right(), make("strategy", "no_grad")):
        examiner = Examiner(rule, getattr(torch, dtype), CPU)
        assert examiner.examine(strategy).reason is None
        tensors = allocate(rule, getattr(torch, dtype))
        assert verify(strategy, make("zeroing", "accumulate"), tensors).reason is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule_name", [r for r in RULES if make("rule", r).element_wise])
def test_what_is_not_told_at_the_users_hyperparameters_is_named(rule_name: str, dtype: str) -> None:
    rule: Rule = make("rule", rule_name)
    tensors = allocate(rule, getattr(torch, dtype))
    drawn, named = tensors.conditions, tensors.indistinguishable(False)
    far = distances(rule, [(drawn.start, drawn.gradients)], tensors.dtype)
    assert {name for name in far if far[name] < DISTINGUISHED} == set(named)
    clear = make("zeroing", "set_to_none")
    for name in far.keys() - set(named):
        assert verify(mutant(name), clear, tensors).reason is not None, name
    assert far["nothing done"] >= DISTINGUISHED


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("beta2", 0.999, 0.99),
        ("beta2", 0.5, 0.25),
        ("eps", 1e-8, 1e-6),
        ("lr", 0.95, 0.475),
        ("weight_decay", 0.01, 0.005),
        ("ns_steps", 5, 4),
    ],
)
def test_a_neighbour_is_what_a_value_is_mistaken_for(name: str, value: float, other: float) -> None:
    assert neighbour(name, value) == pytest.approx(other)
