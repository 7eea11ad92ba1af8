"""The cost of an update: a start, something per tensor, and passes over the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradbench.predict.evidence import Evidence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_MODELS = 4
"""Models that a fit of three figures needs: one more, or it could not be wrong."""

_LEVEL = 0.95


@dataclass(frozen=True)
class Prediction:
    """A predicted time.

    Args:
        seconds: Of one update.
        low: Lower end of its 95 % prediction interval, in seconds.
        high: Upper end, in seconds.
        dispatch_fraction: Share of ``seconds`` that does not come from the bytes.
    """

    seconds: float
    low: float
    high: float
    dispatch_fraction: float


@dataclass(frozen=True)
class CostFit:
    """seconds = start_s + tensor_s · tensors + passes · memory(bytes).

    memory(bytes) is the time that the bandwidth control takes for the bytes that no
    implementation can avoid, so that ``passes`` is 1 for a strategy that moves no byte twice and
    as fast as the control does; caches are in memory(bytes), and so in no figure of the fit.

    Args:
        strategy: Its name.
        figures: start_s, tensor_s and passes, none negative.
        low: Lower end of the 95 % interval of each.
        high: Upper end of each.
        spread: Standard deviation of the updates' relative residuals.
        freedom: Degrees of freedom of ``spread``: models less two, or less three where no cell was
            timed without bytes. Chosen by leaving models out on 2 CPU cores: 95 % and 90 to 93 %
            of the models left out lay within their 95 % interval.
        worst: Largest relative residual, with its sign: fitted over measured, less one.
        worst_model: The model it belongs to.
        models: Number of models.
        covariance: Of the figures, over spread².
    """

    strategy: str
    figures: tuple[float, float, float]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    spread: float
    freedom: int
    worst: float
    worst_model: str
    models: int
    covariance: NDArray[np.float64]

    def predict(self, tensors: float, memory_s: float) -> Prediction:
        """Predict an update's time.

        The interval is a new measurement's, Student's in logarithms: exp(± t · s · √(1 + h)), where
        the leverage h is the larger the fewer measurements tell the figures that matter there.

        Args:
            tensors: Number of tensors.
            memory_s: memory(bytes), in seconds.

        Returns:
            The time, with its interval.
        """
        import numpy as np
        from scipy.stats import t

        causes = np.array([1.0, tensors, memory_s])
        seconds = max(float(causes @ self.figures), 1e-12)
        relative = causes / seconds
        leverage = float(relative @ self.covariance @ relative)
        reach = float(t.ppf((1 + _LEVEL) / 2, self.freedom)) * self.spread
        factor = float(np.exp(min(reach * np.sqrt(1 + max(leverage, 0.0)), 50.0)))
        dispatch_s = self.figures[0] + self.figures[1] * tensors
        return Prediction(seconds, seconds / factor, seconds * factor, dispatch_s / seconds)


def fit_cost(evidence: Evidence, strategy: str) -> CostFit | None:
    """Fit the cost of one strategy.

    Non-negative least squares on relative errors, since times span five decades:
    min Σ ((x_i · figures) / seconds_i − 1)² with figures ≥ 0 and x_i = (1, tensors, memory(bytes)).
    Updates on two elements per tensor, where a cell has them, are measurements like any other:
    they separate what the calls cost from what the bytes cost.

    Args:
        evidence: Measurements under the same circumstances.
        strategy: Which one.

    Returns:
        The fit; None where fewer than four models were measured.

    Source: C. Lawson, R. Hanson, "Solving Least Squares Problems", 1974, ch. 23, as
        scipy.optimize.nnls; intervals as for linear regression, not narrowed by the constraint.
    """
    import numpy as np
    from scipy.optimize import nnls
    from scipy.stats import t

    rows = evidence.measurements
    rows = rows[rows["strategy"] == strategy]
    models = rows["size"].nunique()
    if models < LEAST_MODELS:
        return None
    seconds = rows["seconds"].to_numpy(dtype=float)
    causes = np.column_stack(
        [np.ones(len(rows)), rows["tensors"], evidence.memory.seconds(rows["bytes"].to_numpy())]
    ).astype(float)
    relative = causes / seconds[:, None]
    scale = np.linalg.norm(relative, axis=0)  # the columns differ by many decades
    scaled = relative / scale
    solution, _ = nnls(scaled, np.ones(len(rows)))
    residuals = scaled @ solution - 1
    # Of updates only: those without bytes fit better, and are not what is predicted.
    updates = residuals[(rows["kind"] == "update").to_numpy()]
    # Without them the updates alone have to tell all three figures.
    freedom = max(models - (2 if len(updates) < len(rows) else 3), 1)
    spread = float(np.sqrt(updates @ updates / freedom))
    covariance = np.linalg.pinv(scaled.T @ scaled) / np.outer(scale, scale)
    figures = solution / scale
    half = t.ppf((1 + _LEVEL) / 2, freedom) * spread * np.sqrt(np.diag(covariance))
    worst = int(np.argmax(np.abs(residuals)))
    return CostFit(
        strategy,
        _triple(figures),
        _triple(np.maximum(figures - half, 0.0)),
        _triple(figures + half),
        spread,
        freedom,
        float(residuals[worst]),
        str(rows["model"].iloc[worst]),
        models,
        covariance,
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    first, second, third = map(float, values)
    return first, second, third
