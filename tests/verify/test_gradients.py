import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradbench.verify.gradients import SeenGradients, gradient_statistics

floats = st.floats(-1e3, 1e3, width=32)


@settings(deadline=None)  # the first call of a kernel loads it
@given(values=arrays(np.float32, st.integers(1, 200), elements=floats))
def test_statistics_agree_with_numpy(values: np.ndarray, device: torch.device) -> None:
    seen = gradient_statistics(torch.from_numpy(values.copy()).to(device))
    exact = values.astype(np.float64)
    assert seen.elements == exact.size
    assert seen.norm == pytest.approx(np.linalg.norm(exact), rel=1e-4, abs=1e-6)
    assert seen.mean == pytest.approx(exact.mean(), rel=1e-3, abs=1e-3)
    assert seen.std == pytest.approx(exact.std(), rel=1e-2, abs=1.0)
    assert (seen.min, seen.max) == (exact.min(), exact.max())
    assert seen.zero_fraction == np.mean(exact == 0)
    assert seen.nan_count == seen.inf_count == 0
    assert seen.relative_error is None
    assert seen.cosine is None


def test_many_chunks_and_a_remainder(device: torch.device) -> None:
    torch.manual_seed(0)
    gradient = torch.randn(300, 1000).to(device)
    gradient[0, :10] = 0
    reference = gradient * 1.01
    seen = gradient_statistics(gradient, reference)
    assert seen.norm == pytest.approx(float(gradient.double().norm()), rel=1e-6)
    assert seen.std == pytest.approx(float(gradient.double().std(correction=0)), rel=1e-5)
    assert seen.zero_fraction == 10 / 300_000
    assert seen.relative_error == pytest.approx(0.01 / 1.01, rel=1e-4)
    assert seen.cosine == pytest.approx(1.0)


def test_nan_and_infinity_are_counted_and_not_hidden(device: torch.device) -> None:
    gradient = torch.ones(100_000, device=device)
    gradient[0], gradient[99_999], gradient[7] = math.nan, math.inf, -math.inf
    seen = gradient_statistics(gradient)
    assert (seen.nan_count, seen.inf_count) == (1, 2)
    assert all(map(math.isnan, (seen.norm, seen.mean, seen.std, seen.min, seen.max)))


def test_only_infinite(device: torch.device) -> None:
    seen = gradient_statistics(torch.full((3,), math.inf, device=device))
    assert (seen.inf_count, seen.norm, seen.max) == (3, math.inf, math.inf)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes(dtype: torch.dtype, device: torch.device) -> None:
    seen = gradient_statistics(torch.full((5, 5), 0.5, dtype=dtype, device=device))
    assert seen.norm == pytest.approx(2.5)
    assert seen.std == 0.0


def test_zero_gradient_against_reference(device: torch.device) -> None:
    zeros, ones = torch.zeros(4, device=device), torch.ones(4, device=device)
    seen = gradient_statistics(zeros, ones)
    assert seen.relative_error == pytest.approx(1.0)
    assert seen.cosine is None
    assert gradient_statistics(ones, zeros).relative_error is None


def test_opposite_direction(device: torch.device) -> None:
    seen = gradient_statistics(torch.ones(4, device=device), -torch.ones(4, device=device))
    assert seen.cosine == pytest.approx(-1.0)
    assert seen.relative_error == pytest.approx(2.0)


def test_what_was_seen_is_remembered_only_for_equal_gradients(device: torch.device) -> None:
    seen = SeenGradients()
    first, reference = torch.tensor([[1.0, 2.0], [1.0, 1.0]], device=device)
    again = first.clone()
    known = seen.statistics("w", first, reference)
    assert known == gradient_statistics(first, reference)
    assert seen.statistics("w", first.clone(), reference) is known
    first.zero_()  # as a zeroing does, after it was looked at
    assert seen.statistics("w", first, reference).norm == 0
    assert seen.statistics("w", again, reference) is known
    assert seen.statistics("v", again, None).cosine is None
    seen.forget()
    assert seen.statistics("w", again, reference) is not known
