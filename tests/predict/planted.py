"""Stored cells whose cost is known, because it was planted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from gradbench.results.schema import arrow_schema

Cost = tuple[float, float, float]

MODELS = {
    "linear": (2, 11),
    "small": (6, 100_000),
    "conv": (11, 370_000),
    "deep": (200, 27_000),
    "transformer": (52, 900_000),
    "wide": (8, 17_000_000),
    "large": (148, 124_000_000),
}
"""Tensors and parameters."""

ACCESSES = 7
COSTS = {"fused": (1e-5, 5e-6, 1.1), "flat": (4e-5, 1e-7, 1.8)}


def memory_s(moved: float) -> float:
    """A machine whose bytes cost more the more there are of them."""
    return float(2e-12 * moved**1.05)


def planted(cost: Cost, tensors: int, parameters: float) -> float:
    start, tensor, passes = cost
    return start + tensor * tensors + passes * memory_s(4 * ACCESSES * parameters)


def cells(
    costs: Mapping[str, Cost] = COSTS,
    models: Mapping[str, tuple[int, int]] = MODELS,
    noise: Callable[[str, str], float] = lambda strategy, model: 1.0,
    *,
    without_bytes: bool = True,
    **figures: Any,
) -> pd.DataFrame:
    """A block for each model; ``noise`` multiplies the update times; figures go into every row."""
    rows = []
    for model, (tensors, parameters) in models.items():
        shared = {
            **dict.fromkeys(arrow_schema("cells").names),
            **{"run": "r", "host": "h", "block": model, "model": model, "device": "cpu"},
            **{"device_name": "Chip", "dtype": "float32", "threads": 2, "rule": "adamw"},
            **{"torch_version": "2.13.0", "status": "ok", "contended": False, "seed": 0},
            **{"tensors": tensors, "parameters": parameters, "recorded_at": "2026-01-01"},
            **{"gradbench_version": "0.1.0"},
        }
        moved = 4 * ACCESSES * parameters
        for number, (strategy, cost) in enumerate(costs.items()):
            update_s = planted(cost, tensors, parameters) * noise(strategy, model)
            calls_s = planted(cost, tensors, 2 * tensors) if without_bytes else None
            rows.append(
                {
                    **shared,
                    **{"cell": f"{strategy}/set_to_none", "strategy": strategy},
                    **{"role": "candidate" if number else "baseline", "zeroing": "set_to_none"},
                    **{"update_s": update_s, "traffic_bytes": moved, "dispatch_s": calls_s},
                    **figures,
                }
            )
        control = {"cell": "bandwidth", "role": "bandwidth", "strategy": "", "zeroing": ""}
        rows.append(
            {**shared, **control, "update_s": memory_s(moved), "traffic_bytes": moved, **figures}
        )
    return pd.DataFrame(rows)
