import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gradbench.verify.running_error import Bounded, Precision

BFLOAT16 = Precision.of(torch.bfloat16)
U = 2.0**-8
numbers = st.floats(-100, 100).filter(lambda x: abs(x) > 1e-3)


def exact(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def bounded(*values: float, error: float = 0.0) -> Bounded:
    return Bounded.of(exact(*values), BFLOAT16, torch.full((len(values),), error).double())


@settings(deadline=None)
@given(values=st.lists(numbers, min_size=3, max_size=3))
def test_what_rounding_makes_of_a_formula_is_within_its_bound(values: list[float]) -> None:
    def formula(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return (a * b - c) / ((a * a + b * b) ** 0.5 + 1) + c.sign() * b

    narrow = [torch.tensor([value]).bfloat16() for value in values]
    told = formula(*(Bounded.of(value.double(), BFLOAT16) for value in narrow))
    assert isinstance(told, Bounded)
    error = (formula(*narrow).double() - told.value).abs()
    assert bool((error <= 1.1 * told.error).all())


def test_each_operation_adds_a_rounding() -> None:
    product = bounded(3.0) * exact(0.5)
    assert float(product.error) == pytest.approx(1.5 * U)
    assert float((product * exact(0.5)).error) == pytest.approx(0.75 * 2 * U)
    assert float((-product).error) == float(product.error)


def test_a_cancellation_magnifies_and_a_sum_rounds_at_its_largest_term() -> None:
    left = bounded(1.0, error=0.01) - exact(0.99)
    assert float(left.error) == pytest.approx(0.01 + U)
    assert float(left.error) / abs(float(left.value)) > 1


def test_a_sign_that_might_turn_counts_as_a_jump() -> None:
    assert bounded(0.005, 0.5, error=0.01).sign().error.tolist() == [2.0, 0.0]


def test_nothing_is_known_where_a_divisor_may_be_zero() -> None:
    error = (exact(1.0, 1.0) / bounded(0.005, 1.0, error=0.01)).error
    assert error.tolist()[0] == float("inf")
    assert error.tolist()[1] < 0.02


def test_a_root_of_what_cannot_be_negative_is_bounded_by_the_other_side() -> None:
    root = bounded(0.0, error=0.04) ** 0.5
    assert float(root.error) == pytest.approx(0.2, rel=1e-3)


def test_a_count_in_float32_rounds_in_its_powers_alone() -> None:
    count = Bounded.of(torch.tensor(1.0).double(), Precision.of(torch.float32))
    correction = 1 - 0.999**count
    assert float(correction.error) > 2.0**-25
    assert float(correction.error) < 2.0**-22
    moment = bounded(0.001) / correction
    assert moment.precision == BFLOAT16


def test_what_is_no_number_of_the_tensor_is_given_as_it_is() -> None:
    tensor = bounded(1.0, 2.0)
    assert tensor.shape == (2,)
    assert bool((tensor > 1.5).any())
