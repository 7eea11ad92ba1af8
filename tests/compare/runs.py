"""Runs made up for comparisons: a block with its controls, from replicates or from figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradbench.results.store import Store

REPLICATES = 8
CONTROL = {"strategy": "", "zeroing": "", "role": "bandwidth", "traffic_bytes": 1000}


def interval(name: str, estimate: float, half: float) -> dict[str, float]:
    return {
        name: estimate,
        f"{name}_low": estimate / (1 + half),
        f"{name}_high": estimate * (1 + half),
    }


def rows(
    times: Mapping[str, float],
    *,
    control_s: float = 1e-5,
    half: float = 0.01,
    run: str = "r",
    **fields: Any,
) -> list[dict[str, Any]]:
    """Rows of a block: the baseline is ``optimizer``; ``fields`` go into every row."""
    common = {
        "run": run,
        "block": f"b-{fields.get('rule', 'sgd')}-{fields.get('model', 'mlp')}",
        "model": "mlp",
        "device": "cpu",
        "device_name": "Chip",
        "dtype": "float32",
        "threads": 2,
        "seed": 0,
        "rule": "sgd",
        "zeroing": "set_to_none",
        "status": "ok",
        "parameters": 100,
        "noise_floor": 0.01,
        "replicates": REPLICATES,
        "contended": False,
        "ceiling_bytes_per_s": 1000 / control_s,
        "launches": 6,
        "peak_extra_bytes": 0,
        "torch_version": "2.13.0",
        "gradbench_version": "0.1.0",
        "host": "h",
        "recorded_at": "2026-01-01T00:00:00+00:00",
    }
    found = []
    for strategy, seconds in times.items():
        role = "baseline" if strategy == "optimizer" else "candidate"
        speedup = times["optimizer"] / seconds if "optimizer" in times else 1.0
        found.append(
            {
                **common,
                "cell": f"{strategy}/set_to_none",
                "strategy": strategy,
                "role": role,
                **interval("update_s", seconds, half),
                **interval("speedup", speedup, 0.0 if role == "baseline" else half),
                **fields,
            }
        )
    control = {**CONTROL, "cell": "bandwidth", **interval("update_s", control_s, half)}
    return [*found, {**common, **fields, **control}]


def write(folder: Path, content: list[dict[str, Any]]) -> Path:
    """Store a run's cells, a file for each block."""
    for block in {row["block"] for row in content}:
        Store(folder).write("cells", block, [row for row in content if row["block"] == block])
    return folder


TIMES = {"optimizer": 4e-5, "foreach": 2e-5, "flat": 1e-5}
