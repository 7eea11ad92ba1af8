"""Statistics of ``.grad``, and its comparison with a reference."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_CHUNK, _CHUNK_ON_CPU = 1 << 20, 1 << 17
"""Elements per chunk: float32 sums stay precise, and on the CPU it stays in the cache over all
passes."""


@dataclass(frozen=True)
class GradientStatistics:
    """What a gradient looks like.

    Moments are over the finite and non-finite elements alike, so a NaN shows in them.

    Args:
        elements: Number of elements.
        norm: Euclidean norm.
        mean: Mean.
        std: Standard deviation, the population's.
        min: Smallest element.
        max: Largest element.
        zero_fraction: Share of elements that are exactly zero, in [0, 1].
        nan_count: Number of NaN.
        inf_count: Number of infinities.
        relative_error: ‖g − r‖ / ‖r‖ to the reference r; None without one, or if r is zero.
        cosine: ⟨g, r⟩ / (‖g‖·‖r‖); None without a reference, or if either is zero.
    """

    elements: int
    norm: float
    mean: float
    std: float
    min: float
    max: float
    zero_fraction: float
    nan_count: int
    inf_count: int
    relative_error: float | None
    cosine: float | None


def gradient_statistics(gradient: Tensor, reference: Tensor | None = None) -> GradientStatistics:
    """Summarise a gradient in one pass over memory.

    Args:
        gradient: Any shape, floating, with at least one element.
        reference: What it should be, shape of ``gradient``.

    Returns:
        The statistics, computed in float32 by chunks (float64 for float64), summed in float64.
    """
    total = squares = zeros = nans = infs = 0.0
    low, high = math.inf, -math.inf
    product = reference_squares = difference_squares = 0.0
    for chunk, expected in _chunks(gradient, reference):
        seen = [chunk.sum(), chunk.dot(chunk), torch.count_nonzero(chunk), *torch.aminmax(chunk)]
        if expected is not None:
            difference = chunk - expected
            seen += [chunk.dot(expected), expected.dot(expected), difference.dot(difference)]
        plain, square, nonzero, smallest, largest, *compared = _numbers(seen)
        total += plain
        squares += square
        zeros += chunk.numel() - nonzero
        low, high = _least(low, smallest), _greatest(high, largest)
        if not math.isfinite(square):  # rare, so the two passes are paid only then
            nans += int(chunk.isnan().sum())
            infs += int(chunk.isinf().sum())
        if compared:
            product += compared[0]
            reference_squares += compared[1]
            difference_squares += compared[2]
    elements = gradient.numel()
    mean = total / elements
    norm, size = math.sqrt(squares), math.sqrt(reference_squares)
    return GradientStatistics(
        elements=elements,
        norm=norm,
        mean=mean,
        std=_root(squares / elements - mean * mean),
        min=low,
        max=high,
        zero_fraction=zeros / elements,
        nan_count=int(nans),
        inf_count=int(infs),
        relative_error=math.sqrt(difference_squares) / size if size > 0 else None,
        cosine=product / (norm * size) if norm > 0 and size > 0 else None,
    )


class SeenGradients:
    """Looks once at gradients that are bitwise the same, as those of most cells of a block are."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, tuple[Tensor, GradientStatistics]] = {}

    def statistics(
        self, key: Hashable, gradient: Tensor, reference: Tensor | None
    ) -> GradientStatistics:
        """Summarise a gradient, or remember the summary of an equal one.

        Args:
            key: What gradients may be the same, such as those of one tensor at one step.
            gradient: Any shape, floating, with at least one element.
            reference: What it should be, shape of ``gradient``; one for each key.

        Returns:
            What :func:`gradient_statistics` says of it.
        """
        seen = self._seen.get(key)
        if seen is not None and torch.equal(seen[0], gradient):
            return seen[1]
        statistics = gradient_statistics(gradient, reference)
        if seen is None:
            self._seen[key] = (gradient.detach().clone(), statistics)
        return statistics

    def forget(self) -> None:
        """Give the memory back."""
        self._seen.clear()


def _numbers(scalars: Sequence[Tensor]) -> list[float]:
    """Bring 0-dim tensors to the host: from a device all at once, since each way takes long."""
    if scalars[0].device.type == "cpu":
        return [float(scalar) for scalar in scalars]
    numbers: list[float] = torch.stack([scalar.double() for scalar in scalars]).tolist()
    return numbers


def _chunks(gradient: Tensor, reference: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield flat pieces of both in one dtype, float32 or wider."""
    dtype = torch.float64 if gradient.dtype == torch.float64 else torch.float32
    size = _CHUNK_ON_CPU if gradient.device.type == "cpu" else _CHUNK
    flat = gradient.detach().reshape(-1).split(size)
    if reference is None:
        yield from ((piece.to(dtype), None) for piece in flat)
        return
    expected = reference.detach().reshape(-1).split(size)
    for piece, other in zip(flat, expected, strict=True):
        yield piece.to(dtype), other.to(dtype)


def _root(variance: float) -> float:
    """Take the root of a variance that rounding may have left just below zero."""
    return math.sqrt(variance) if not variance < 0 else 0.0


def _least(a: float, b: float) -> float:
    """Return the smaller one, or NaN if either is."""
    return math.nan if math.isnan(a) or math.isnan(b) else min(a, b)


def _greatest(a: float, b: float) -> float:
    """Return the larger one, or NaN if either is."""
    return math.nan if math.isnan(a) or math.isnan(b) else max(a, b)
