"""What an update costs: a start, something per tensor, something per byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LEAST_MODELS = 5
"""Models that a fit of three figures needs to be a statement about more than these models."""


def fit_cost_models(cells: pd.DataFrame) -> pd.DataFrame:
    """Fit seconds = a + b·tensors + c·bytes for each device, rule and strategy, over models.

    Non-negative least squares on relative errors, since times span several decades:
    min Σ ((a + b·nᵢ + c·mᵢ)/tᵢ − 1)² with a, b, c ≥ 0.

    Args:
        cells: Described cells, each right and timed, with its block's default zeroing.

    Returns:
        A row for each fit: the group, ``start_s``, ``tensor_s``, ``byte_s``, ``models``, and
        ``error``, the median relative departure. Groups of fewer than five models have none.
    """
    import numpy as np
    import pandas as pd
    from scipy.optimize import nnls

    by = ["device_label", "rule", "strategy", "dtype", "threads", "cache"]
    fits = []
    for group, rows in cells.groupby(by, dropna=False):
        if rows["model_label"].nunique() < LEAST_MODELS:
            continue
        seconds = rows["update_s"].to_numpy(dtype=float)
        causes = np.column_stack([np.ones(len(rows)), rows["tensors"], rows["traffic_bytes"]])
        relative = causes.astype(float) / seconds[:, None]
        scale = np.maximum(np.linalg.norm(relative, axis=0), 1e-300)  # columns differ by 10⁸
        solution, _ = nnls(relative / scale, np.ones(len(rows)))
        start, tensor, byte = solution / scale
        error = float(np.median(np.abs(relative @ (solution / scale) - 1)))
        figures = {"start_s": start, "tensor_s": tensor, "byte_s": byte}
        fits.append(
            {
                **dict(zip(by, group, strict=True)),
                **figures,
                "models": rows["model_label"].nunique(),
                "error": error,
            }
        )
    return pd.DataFrame(fits, columns=[*by, "start_s", "tensor_s", "byte_s", "models", "error"])
