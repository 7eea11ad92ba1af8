import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbench.rules.base import Rule
from gradbench.verify.reference import CORRECTION_ROUNDINGS, follow, tolerance_ulps, ulp_error
from tests.conftest import make

finite = st.floats(-1e30, 1e30).filter(lambda x: abs(x) > 1e-30)


@settings(deadline=None)  # the first call of a kernel loads it
@given(value=finite, steps=st.integers(0, 50))
def test_ulp_error_counts_representable_numbers(
    value: float, steps: int, device: torch.device
) -> None:
    start = np.float32(value)
    moved = start
    for _ in range(steps):
        moved = np.nextafter(moved, np.float32(0), dtype=np.float32)
    same_binade = math.frexp(float(moved))[1] == math.frexp(float(start))[1]
    expected = torch.tensor([float(start)], dtype=torch.float64, device=device)
    actual = torch.tensor([float(moved)], device=device)
    error = ulp_error(actual, expected, expected.abs(), torch.float32)
    assert error == pytest.approx(steps) if same_binade else error <= steps


def test_ulp_error_of_nothing_and_of_nan(device: torch.device) -> None:
    one = torch.ones(1, dtype=torch.float64, device=device)
    assert ulp_error(torch.empty(0), torch.empty(0), torch.empty(0), torch.float32) == 0
    assert ulp_error(torch.tensor([math.nan], device=device), one, one, torch.float32) == math.inf
    assert ulp_error(torch.tensor([math.inf], device=device), one, one, torch.float32) == math.inf


def test_scale_sets_the_unit_where_the_result_cancels(device: torch.device) -> None:
    rule: Rule = make("rule", "sgd")
    start = torch.tensor([0.01], device=device)
    value, scale = follow(rule, start, [torch.tensor([1.0], device=device)])
    assert float(value) == pytest.approx(0.0, abs=1e-8)
    assert float(scale) == pytest.approx(0.01)


def test_tolerance_grows_with_updates_and_roundings() -> None:
    sgd: Rule = make("rule", "sgd")
    adam: Rule = make("rule", "adam")
    assert tolerance_ulps(sgd, 2, torch.float32, False) == 1 * 3 + 2
    assert tolerance_ulps(adam, 2, torch.float32, False) == 12 * 3 + 2
    assert tolerance_ulps(adam, 2, torch.float32, True) == pytest.approx(38 + 2 * 510)
    assert tolerance_ulps(sgd, 2, torch.float32, True) == 5
    assert tolerance_ulps(adam, 2, torch.float32, False, True) == 38 + 2 * 8
    assert tolerance_ulps(adam, 2, torch.bfloat16, False, True) == pytest.approx(38 + 2 * 8 / 2**16)
    assert tolerance_ulps(sgd, 2, torch.float32, False, True) == 5


def test_float32_count_is_within_its_tolerance() -> None:
    """Bias corrections from a float32 count, as torch.optim's capturable form computes them."""
    rule: Rule = make("rule", "adam")
    gradients = [torch.tensor([0.7]), torch.tensor([0.35])]
    expected, scale = follow(rule, torch.tensor([0.003]), gradients)
    m = v = torch.zeros(1)
    p, beta1, beta2 = torch.tensor([0.003]), 0.9, 0.999
    for count, g in enumerate(gradients, start=1):
        t = torch.tensor(float(count))
        m, v = m.lerp(g, 1 - beta1), v * beta2 + (1 - beta2) * g * g
        step = 0.001 / (1 - beta1**t)
        p = p - step * m / (v.sqrt() / (1 - beta2**t).sqrt() + 1e-8)
    error = ulp_error(p, expected, scale, torch.float32)
    assert error > tolerance_ulps(rule, 2, torch.float32, False)
    assert error <= tolerance_ulps(rule, 2, torch.float32, True)


@pytest.mark.parametrize("steps", [1, 2, 1000, 1_000_000])
def test_corrections_from_the_logarithm_lose_few_digits_in_float32(steps: int) -> None:
    rule = make("rule", "adam")
    root, lr = rule._corrections(torch.tensor(float(steps)))
    exact_root, exact_lr = rule._corrections(steps)
    eps = torch.finfo(torch.float32).eps
    assert abs(float(root) / exact_root - 1) < CORRECTION_ROUNDINGS * eps / 2
    assert abs(float(lr) / exact_lr - 1) < CORRECTION_ROUNDINGS * eps / 2
    # The difference itself keeps no digits of 1 - β₂.
    plain = 1 - torch.tensor(rule.beta2) ** 1
    assert abs(float(plain) / (1 - rule.beta2) - 1) > 100 * eps
