"""How long a machine takes to move bytes: the bandwidth controls of all its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Memory:
    """Seconds that an in-place axpy takes for a number of bytes, as measured.

    Caches make a byte cost more beyond their size, and machines differ in where: so the curve is
    measured, not assumed. Between the controls it is interpolated in logarithms, and it never
    falls; beyond the largest one each byte costs what it costs there, below the smallest one it
    is constant.

    Args:
        log_bytes: Logarithm of the bytes of each control, ascending.
        log_seconds: Logarithm of its time, never falling.
    """

    log_bytes: NDArray[np.float64]
    log_seconds: NDArray[np.float64]

    @classmethod
    def of(cls, moved_bytes: Sequence[float], seconds: Sequence[float]) -> Memory:
        """Fit the curve to controls: the least-squares curve that does not fall.

        Args:
            moved_bytes: Bytes that each control moves, one or more, in any order.
            seconds: Time of each, in seconds.

        Returns:
            The curve.
        """
        import numpy as np
        from scipy.optimize import isotonic_regression

        measured = np.asarray(moved_bytes, dtype=float)
        sizes, place = np.unique(measured, return_inverse=True)
        counts = np.bincount(place)
        means = np.bincount(place, weights=np.log(np.asarray(seconds, dtype=float))) / counts
        return cls(np.log(sizes), isotonic_regression(means, weights=counts).x)

    def seconds(self, moved_bytes: ArrayLike) -> Any:
        """Interpolate the time for numbers of bytes.

        Args:
            moved_bytes: Any shape, positive.

        Returns:
            Seconds, of the same shape.
        """
        import numpy as np

        x = np.log(np.asarray(moved_bytes, dtype=float))
        beyond = np.exp(np.maximum(x - self.log_bytes[-1], 0.0))
        return np.exp(np.interp(x, self.log_bytes, self.log_seconds)) * beyond
