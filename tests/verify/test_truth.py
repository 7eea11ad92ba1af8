import math

import pytest
import torch
from torch import Tensor

from gradbench.rules.base import Rule
from gradbench.verify.expected import excess
from gradbench.verify.truth import distances, follow, too_near
from tests.conftest import make


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_a_parameter_without_a_gradient_stays_and_is_not_counted() -> None:
    rule: Rule = make("rule", "adam")
    gradients = [numbers(0.7), None, numbers(-0.3)]
    with_gap = follow([rule] * 3, numbers(0.5), gradients, torch.float32)
    without = follow([rule] * 2, numbers(0.5), [numbers(0.7), numbers(-0.3)], torch.float32)
    assert torch.equal(with_gap[1].value, with_gap[0].value)
    assert torch.equal(with_gap[2].value, without[1].value)
    assert torch.equal(with_gap[2].tolerance, without[1].tolerance)


def test_a_float32_count_widens_the_tolerance_where_bias_corrections_cancel() -> None:
    adam: Rule = make("rule", "adam")
    given = [adam] * 2, numbers(0.0), [numbers(0.7), numbers(0.35)], torch.float32
    plain = follow(*given)[-1].tolerance
    float32 = follow(*given, float32_count=True)[-1].tolerance
    assert float(float32 / plain) > 5
    bfloat16 = [follow(*given[:3], torch.bfloat16, float32_count=f)[-1] for f in (False, True)]
    assert float(bfloat16[1].tolerance / bfloat16[0].tolerance) < 1.01


def test_float32_count_is_within_its_tolerance() -> None:
    """Bias corrections from a float32 count, as torch.optim's capturable form computes them."""
    rule: Rule = make("rule", "adam")
    start, gradients = torch.tensor([0.003]), [torch.tensor([0.7]), torch.tensor([0.35])]
    m = v = torch.zeros(1)
    p, beta1, beta2 = start, 0.9, 0.999
    for count, g in enumerate(gradients, start=1):
        t = torch.tensor(float(count))
        m, v = m.lerp(g, 1 - beta1), v * beta2 + (1 - beta2) * g * g
        step = 0.001 / (1 - beta1**t)
        p = p - step * m / (v.sqrt() / (1 - beta2**t).sqrt() + 1e-8)
    given = [rule] * 2, start.double(), [g.double() for g in gradients], torch.float32
    assert float(follow(*given)[-1].excess(p)) > 1
    assert float(follow(*given, float32_count=True)[-1].excess(p)) <= 1


def test_excess_is_in_tolerances_and_knows_what_is_not_finite() -> None:
    value = numbers(1.0, 1.0, math.inf, math.nan, 1.0, 1.0)
    tolerance = numbers(0.5, 0.5, 1.0, 1.0, math.inf, 0.5)
    actual = numbers(1.25, 3.0, -math.inf, math.nan, math.nan, math.nan)
    assert excess(actual, value, tolerance).tolist() == [0.5, 4.0, 0.0, 0.0, 0.0, math.inf]
    finite = excess(numbers(0.0), numbers(math.nan), numbers(1.0))
    assert finite.tolist() == [math.inf]  # a number where there is none


def test_errors_that_count_together_are_a_norm() -> None:
    error = excess(numbers(3.0, 4.0), numbers(0.0, 0.0), numbers(3.0, 4.0), together=True)
    assert error.tolist() == [1.0, 1.0]


def test_a_mutant_that_is_the_rule_is_none() -> None:
    rule: Rule = make("rule", "sgd")
    far = distances(rule, [(numbers(0.1, 0.2), [numbers(1.0, -1.0)])], torch.float32)
    assert "count stuck at 1" not in far
    assert far["nothing done"] > 1000
    assert too_near({"near": 3.9, "far": 4.0}) == ("near",)


@pytest.mark.parametrize("name", ["adamw", "momentum"])
def test_a_schedule_is_followed(name: str) -> None:
    rule: Rule = make("rule", name)
    gradients = [numbers(0.7), numbers(0.7)]
    rules = [rule, rule.with_lr(rule.lr / 2)]
    plain = follow([rule] * 2, numbers(0.5), gradients, torch.float32)
    halved = follow(rules, numbers(0.5), gradients, torch.float32)
    steps = [float(f[1].value - f[0].value) for f in (plain, halved)]
    assert steps[1] == pytest.approx(steps[0] / 2)
