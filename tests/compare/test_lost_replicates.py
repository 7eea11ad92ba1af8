"""The error of a figure is that of the replicates in its interval, not of those taken."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gradbench
from gradbench.statistics.effects import effects
from gradbench.statistics.intervals import Interval, centre
from tests.compare.runs import TIMES, rows

SECONDS = {"base": [2.0e-5, 2.1e-5, math.nan], "other": [2.3e-5, 2.5e-5, 2.4e-5]}
CONTROL = {"base": [1.0e-5, math.nan, 1.1e-5], "other": [1.2e-5, 1.3e-5, 1.25e-5]}
BASELINE = {"base": [4.0e-5, 4.1e-5, math.nan], "other": [math.nan, 4.2e-5, 4.3e-5]}


def logarithms(seconds: list[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = np.log(seconds)
    return found[np.isfinite(found)]


def columns(name: str, interval: Interval | None) -> dict[str, float | None]:
    assert interval is not None
    ends = {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return {**ends, f"{name.removesuffix('_s')}_replicates": interval.replicates}


def side(name: str, run: str, host: str, *, counted: bool = True) -> pd.DataFrame:
    """A run whose cell ``foreach`` and control are of three replicates, of which some are lost."""
    update, control, baseline = (
        np.array(values[name])[:, None] for values in (SECONDS, CONTROL, BASELINE)
    )
    found = rows(TIMES, run=run, host=host, replicates=3)
    for row in found:
        if row["role"] == "bandwidth":
            row |= columns("update_s", effects({"": control}).time(""))
        elif row["strategy"] == "foreach":
            row |= columns("update_s", effects({"": update}).time(""))
            row |= columns("speedup", effects({"b": baseline, "u": update}).ratio("b", "u"))
    ceiling = 1000 / next(row["update_s"] for row in found if row["role"] == "bandwidth")
    lacking = [] if counted else ["update_replicates", "speedup_replicates"]
    return pd.DataFrame(found).assign(ceiling_bytes_per_s=ceiling).drop(columns=lacking)


def foreach(**how: Any) -> Any:
    found = gradbench.compare(side("base", "r", "h", **how), side("other", "s", "i", **how))
    return found.set_index("strategy").loc["foreach"]


def welch(
    one: np.ndarray[Any, np.dtype[np.float64]], two: np.ndarray[Any, np.dtype[np.float64]]
) -> tuple[float, float]:
    """Welch's interval of a difference, about that of Hodges' and Lehmann's centres."""
    expected = stats.ttest_ind(one, two, equal_var=False).confidence_interval(0.95)
    moved = centre(one) - centre(two) - (one.mean() - two.mean())
    return expected.low + moved, expected.high + moved


def test_the_interval_is_welchs_of_what_is_left() -> None:
    row = foreach()
    sides = [logarithms(SECONDS[name]) for name in ("other", "base")]
    low, high = welch(*sides)
    assert math.log(row["ratio_low"]) == pytest.approx(low)
    assert math.log(row["ratio_high"]) == pytest.approx(high)


def test_a_speedup_counts_its_pairs() -> None:
    row = foreach()
    pairs = [
        logarithms(list(np.array(SECONDS[name]) / np.array(BASELINE[name])))
        for name in ("other", "base")
    ]
    low, high = welch(*pairs)
    assert math.log(row["relative_ratio_low"]) == pytest.approx(low)
    assert math.log(row["relative_ratio_high"]) == pytest.approx(high)


def test_the_control_has_a_count_of_its_own() -> None:
    row = foreach()
    parts = [logarithms(which[name]) for which in (SECONDS, CONTROL) for name in ("base", "other")]
    variances = [part.var(ddof=1) / part.size for part in parts]
    shares = [v**2 / (part.size - 1) for v, part in zip(variances, parts, strict=True)]
    freedom = sum(variances) ** 2 / sum(shares)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(sum(variances))
    assert math.log(row["normalised_ratio_high"] / row["normalised_ratio"]) == pytest.approx(reach)


def test_files_older_than_the_counts_go_by_the_replicates_taken() -> None:
    old, new = foreach(counted=False), foreach()
    assert old["ratio"] == new["ratio"]
    assert old["ratio_high"] != pytest.approx(new["ratio_high"])
    assert 0 < old["ratio_low"] < old["ratio"] < old["ratio_high"] < math.inf
