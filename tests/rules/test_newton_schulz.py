"""The iteration against the singular value decomposition, in float64, and its roundings."""

import pytest
import torch

from gradbench.rules.newton_schulz import (
    operations,
    orthogonalise,
    orthogonalise_batch,
    orthogonalised,
)

ITERATION = (3.4445, -4.7750, 2.0315), 5, 1e-7
SHAPES = [(48, 16), (16, 48), (1, 7), (7, 1), (128, 64)]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_come_close_to_one_and_singular_vectors_stay(
    shape: tuple[int, int], scale: float
) -> None:
    torch.manual_seed(0)
    matrix = scale * torch.randn(shape, dtype=torch.float64)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = u.T @ orthogonalised(matrix, *ITERATION) @ v.T
    values = found.diagonal()
    assert 0.65 < values.min() <= values.max() < 1.25
    torch.testing.assert_close(found, values.diag(), rtol=0, atol=1e-10)


def test_each_singular_value_follows_the_polynomial() -> None:
    torch.manual_seed(0)
    (a, b, c), steps, eps = ITERATION
    matrix = torch.randn(9, 9, dtype=torch.float64)
    expected = torch.linalg.svdvals(matrix) / matrix.norm()
    for _ in range(steps):
        expected = a * expected + b * expected**3 + c * expected**5
    found = torch.linalg.svdvals(orthogonalised(matrix, (a, b, c), steps, eps))
    torch.testing.assert_close(found, expected.sort(descending=True).values)


def test_zero_stays_zero() -> None:
    zero = torch.zeros(3, 2, dtype=torch.float64)
    assert torch.equal(orthogonalised(zero, *ITERATION), zero)
    assert torch.equal(orthogonalise(zero.bfloat16(), *ITERATION), zero.bfloat16())
    assert torch.equal(orthogonalise_batch(zero.bfloat16().T[None], *ITERATION)[0].T.double(), zero)


@pytest.mark.parametrize(
    ("dtype", "near"), [(torch.float64, 1e-10), (torch.float32, 1e-4), (torch.bfloat16, 0.04)]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_kernels_round_what_the_paper_writes(
    shape: tuple[int, int], dtype: torch.dtype, near: float
) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape, dtype=torch.float64)
    expected = orthogonalised(matrix, *ITERATION)
    found = orthogonalise(matrix.to(dtype), *ITERATION).double()
    assert (found - expected).norm() <= near * expected.norm()


def test_the_matrix_is_only_read() -> None:
    torch.manual_seed(0)
    for matrix in (torch.randn(3, 5).bfloat16(), torch.randn(5, 3).bfloat16()):
        before = matrix.clone()
        orthogonalise(matrix, *ITERATION)
        orthogonalised(matrix, *ITERATION)
        assert torch.equal(matrix, before)


@pytest.mark.parametrize(
    ("dtype", "near"), [(torch.float64, 1e-10), (torch.float32, 1e-4), (torch.bfloat16, 0.04)]
)
def test_a_batch_is_a_loop(dtype: torch.dtype, near: float) -> None:
    torch.manual_seed(0)
    batch = (torch.randn(4, 16, 48) * torch.tensor([1e-3, 1, 1e3, 1]).view(4, 1, 1)).to(dtype)
    expected = torch.stack([orthogonalise(matrix, *ITERATION) for matrix in batch]).double()
    found = orthogonalise_batch(batch, *ITERATION).double()
    assert (found - expected).norm() <= near * expected.norm()


@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (5, 3), (4, 4)])
def test_operations_are_those_of_the_products(rows: int, columns: int) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counted:
        orthogonalise(torch.ones(rows, columns), *ITERATION)
    assert operations(rows, columns, ITERATION[1]) == counted.get_total_flops()
