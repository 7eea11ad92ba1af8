"""Re-runs whose truth is known: speedups drawn, samples made from them."""

from typing import Any

import numpy as np
import pandas as pd

from gradbench.calibration.replay import CONTROL
from gradbench.statistics.intervals import Interval

BASELINE = "no_grad/set_to_none"


def samples(
    truths: dict[str, float],
    *,
    reruns: int = 6,
    replicates: int = 8,
    rounds: int = 6,
    between: float = 0.01,
    within: float = 0.01,
    hogs: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """Rows of calibration_samples in which a cell takes truth times the baseline's millisecond."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for rerun in range(reruns):
        for cell, truth in {BASELINE: 1.0, CONTROL: 1.0, **truths}.items():
            spread = 0.0 if cell == CONTROL else between
            bias = rng.normal(0, spread, replicates)
            for replicate in range(replicates):
                for round_ in range(rounds):
                    noise = 0.0 if cell == CONTROL else rng.normal(0, within)
                    rows.append(
                        {
                            "run": "r",
                            "hogs": hogs,
                            "rerun": rerun,
                            "cell": cell,
                            "replicate": replicate,
                            "round": round_,
                            "calls": 1,
                            "seconds": 1e-3 * truth * np.exp(bias[replicate] + noise),
                            "switched": bool(rng.random() < 0.02),
                        }
                    )
    return pd.DataFrame(rows)


def around(centre: float, reach: float) -> Interval:
    """An interval of known relative reach."""
    return Interval(centre, centre / (1 + reach), centre * (1 + reach))
