"""The Newton–Schulz iteration, which pushes the singular values of a matrix towards one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def orthogonalised(matrix: Tensor, coefficients: Sequence[float], steps: int, eps: float) -> Tensor:
    """Iterate as the paper writes it; meant for float64.

    X ← G/max(‖G‖, ε), then k times A ← XXᵀ, X ← aX + (bA + cA²)X: each singular value σ becomes
    aσ + bσ³ + cσ⁵, and singular vectors stay. A matrix with more rows than columns is transposed
    meanwhile, so that A is the smaller of the two products.

    Args:
        matrix: G, two-dimensional.
        coefficients: a, b, c.
        steps: k.
        eps: ε, keeps the quotient finite; ‖·‖ is Frobenius's norm.

    Returns:
        X, a new tensor of the shape of G.

    Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024,
    https://kellerjordan.github.io/posts/muon.
    """
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x * x).sum().sqrt().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x


def orthogonalise(matrix: Tensor, coefficients: Sequence[float], steps: int, eps: float) -> Tensor:
    """Iterate on one matrix, in its dtype, with three kernels a step.

    Args:
        matrix: Two-dimensional; only read.
        coefficients: a, b, c.
        steps: Number of iterations.
        eps: ε.

    Returns:
        The result of :func:`orthogonalised`, rounded in each operation; for a matrix with more rows
        than columns it is a transposed view.

    Source: ``_zeropower_via_newtonschulz`` in torch/optim/_muon.py, PyTorch 2.13.
    """
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def orthogonalise_batch(
    batch: Tensor, coefficients: Sequence[float], steps: int, eps: float
) -> Tensor:
    """Iterate on a batch of matrices, with as many kernels as for one.

    Args:
        batch: Matrices × rows × columns, no more rows than columns; overwritten.
        coefficients: a, b, c.
        steps: Number of iterations.
        eps: ε.

    Returns:
        For each matrix what :func:`orthogonalise` makes of it.
    """
    a, b, c = coefficients
    x = batch.div_(torch.linalg.vector_norm(batch, dim=(1, 2), keepdim=True).clamp_(min=eps))
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def operations(rows: int, columns: int, steps: int) -> int:
    """Count the multiplications and additions of the matrix products.

    With m the smaller of rows and columns and n the larger, a step has XXᵀ and (bA + cA²)X of 2m²n
    each, and A² of 2m³. That XXᵀ and A² are symmetric would save half of theirs; no implementation
    in PyTorch uses it.

    Args:
        rows: Of the matrix.
        columns: Of the matrix.
        steps: Number of iterations.

    Returns:
        k·(4m²n + 2m³).
    """
    m, n = sorted((rows, columns))
    return steps * (4 * m * m * n + 2 * m**3)
