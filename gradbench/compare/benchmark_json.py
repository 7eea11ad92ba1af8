"""Files of pytest-benchmark as rows like those of ``cells``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradbench.errors import BadRequest
from gradbench.statistics.effects import effects
from gradbench.statistics.intervals import CONFIDENCE, Interval

BATCHES = 10
_CELL = ("model", "rule", "strategy", "zeroing", "dtype", "threads", "device")


def read_benchmarks(file: Path) -> pd.DataFrame:
    """Read what ``pytest --benchmark-json=FILE`` or ``--benchmark-save`` has written.

    A benchmark is a cell where its parameters and ``extra_info`` name a model, a rule and a
    strategy, as gradbench's own ``tests/benchmarks`` do; otherwise its name is all it is known by.

    Args:
        file: The file.

    Returns:
        A row for each benchmark, with those columns of ``cells`` that it can fill, and ``name``.

    Raises:
        BadRequest: It is no such file.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = [_row(file, content, benchmark) for benchmark in content["benchmarks"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error) if isinstance(error, ValueError | OSError) else f"no {error}"
        raise BadRequest(f"{file} is no file of pytest-benchmark: {why}") from error
    if not rows:
        raise BadRequest(f"{file} holds no benchmark")
    return pd.DataFrame(rows)


def _row(file: Path, content: dict[str, Any], benchmark: dict[str, Any]) -> dict[str, Any]:
    stats = benchmark["stats"]
    interval = _interval(stats)
    named = {**(benchmark.get("params") or {}), **(benchmark.get("extra_info") or {})}
    machine = content.get("machine_info") or {}
    is_cell = all(isinstance(named.get(key), str) for key in ("model", "rule", "strategy"))
    return {
        "name": str(benchmark.get("fullname") or benchmark["name"]),
        "run": file.stem,
        "role": "candidate",
        "status": "ok",
        "host": machine.get("node"),
        "torch_version": named.get("torch_version"),
        "recorded_at": content.get("datetime"),
        "update_s": interval.estimate,
        "update_s_low": interval.low,
        "update_s_high": interval.high,
        "replicates": interval.replicates,
        **({key: named.get(key) for key in _CELL} if is_cell else dict.fromkeys(_CELL)),
    }


def _interval(stats: dict[str, Any]) -> Interval:
    """Find a benchmark's time and interval; batches, or else rounds, are its replicates.

    With the data of each round (``--benchmark-save-data``): consecutive rounds in batches, and
    Student's interval over the batches' medians, since neighbouring rounds resemble each other
    (batch means; A. M. Law, Simulation Modeling and Analysis, §9.5). Without: for n rounds
    that are normal about their median, its standard error is √(π/2)·σ/√n with σ = IQR/1.349
    (R. McGill, J. W. Tukey and W. A. Larsen, Variations of Box Plots, 1978), too small where
    neighbouring rounds resemble each other.
    """
    data = stats.get("data")
    if data:
        return _batches(np.asarray(data, dtype=float))
    median, rounds = float(stats["median"]), int(stats["rounds"])
    if not median > 0:
        raise ValueError(f"a median of {median:g} s is no time")
    if rounds < 2:
        return Interval(median, 0.0, math.inf, rounds)
    error = math.sqrt(math.pi / 2) * float(stats["iqr"]) / 1.349 / math.sqrt(rounds) / median
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, rounds - 1)) * error
    return Interval(median, median * math.exp(-reach), median * math.exp(reach), rounds)


def _batches(seconds: np.ndarray[Any, np.dtype[np.float64]]) -> Interval:
    if not (seconds > 0).all():
        raise ValueError("a round of no time")
    batches = np.array_split(seconds, min(BATCHES, len(seconds)))
    grid = np.full((len(batches), max(map(len, batches))), math.nan)
    for row, batch in zip(grid, batches, strict=True):
        row[: len(batch)] = batch
    interval = effects({"": grid}).time("")
    assert interval is not None  # every batch has a round
    return interval
