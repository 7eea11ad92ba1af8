"""Rows of ``cells`` for the tests of what is printed."""

from typing import Any

from gradbench.results.schema import arrow_schema


def row(strategy: str, **figures: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(arrow_schema("cells").names),
        **{"host": "h", "block": "b", "model": "mlp", "rule": "sgd", "device": "cpu"},
        **{"device_name": "Chip", "role": "candidate", "zeroing": "z", "status": "ok"},
        **{"strategy": strategy, "noise_floor": 0.02, **figures},
    }


def timed(strategy: str, update_s: float, speedup: float, **figures: Any) -> dict[str, Any]:
    return row(
        strategy,
        update_s=update_s,
        update_s_low=update_s / 1.01,
        update_s_high=update_s * 1.01,
        speedup=speedup,
        speedup_low=speedup - 0.005,
        speedup_high=speedup + 0.005,
        **figures,
    )
