"""What updating a model would cost, by strategy, from what was measured of other models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradbench.errors import BadRequest
from gradbench.predict.crossover import Crossover, crossovers
from gradbench.predict.evidence import Evidence
from gradbench.predict.fit import LEAST_MODELS, CostFit, fit_cost
from gradbench.predict.validation import leave_one_out
from gradbench.statistics.bottleneck import bottleneck
from gradbench.statistics.intervals import Interval
from gradbench.statistics.verdicts import MARGIN, known, verdict
from gradbench.terminal import figures

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Ranking:
    """Predictions under the same circumstances, fastest first.

    Args:
        evidence: What they rest on.
        tensors: Number of tensors asked for.
        parameters: Number of parameters asked for.
        rows: A row for each strategy; columns as :func:`gradbench.predict` says.
        outside: What lies outside of the measured range, in words; empty where nothing does.
        by_parameters: Changes of the fastest strategy along parameters, the tensors as asked for.
        by_tensors: Changes along tensors, the parameters as asked for.
        left_out_error: Median relative error of predictions of a model left out of the fits, the
            ranked strategies together; None where there are too few models to leave one out.
        left_out_covered: Share of those that their 95 % interval held.
        margin: Smallest relative difference of two times that matters.
        others: Measurements on the same machine under other circumstances, which are not used.
    """

    evidence: Evidence
    tensors: int
    parameters: int
    rows: pd.DataFrame
    outside: list[str]
    by_parameters: list[Crossover]
    by_tensors: list[Crossover]
    left_out_error: float | None
    left_out_covered: float | None
    margin: float
    others: tuple[Evidence, ...] = ()

    @property
    def needed_bytes(self) -> int:
        """Bytes of parameters, gradients and state of the model asked for."""
        return self.evidence.needed_bytes(self.parameters)

    @property
    def fits(self) -> bool | None:
        """Whether they fit in the device's memory; None where its size is unknown."""
        there = self.evidence.memory_bytes
        return None if there is None else self.needed_bytes <= there


def rank(evidence: Evidence, tensors: int, parameters: int, margin: float = MARGIN) -> Ranking:
    """Predict every right strategy's update of a model.

    Args:
        evidence: Measurements under the same circumstances.
        tensors: Number of tensors that an update writes.
        parameters: Elements in them together.
        margin: Smallest relative difference of two times that matters.

    Returns:
        The ranking.

    Raises:
        BadRequest: Too few models were measured.
    """
    import pandas as pd

    measurements = evidence.measurements
    strategies = sorted(set(measurements["strategy"]) - set(evidence.unfit))
    fits = {name: fit for name in strategies if (fit := fit_cost(evidence, name)) is not None}
    if not fits:
        raise BadRequest(f"too few models of {describe(evidence)}: {LEAST_MODELS} are needed")
    judged = leave_one_out(evidence, fits)
    errors = judged.assign(error=judged["error"].abs()).groupby("strategy")["error"].median()
    rows = [_row(evidence, fit, tensors, parameters, errors) for fit in fits.values()]
    frame = pd.DataFrame(rows).sort_values("seconds", kind="stable").reset_index(drop=True)
    best = frame.iloc[0]
    ratios = [_over(row, best) for _, row in frame.iterrows()]
    frame["ratio"] = [ratio.estimate for ratio in ratios]
    frame["ratio_low"], frame["ratio_high"] = (
        [getattr(ratio, end) for ratio in ratios] for end in ("low", "high")
    )
    # What two runs differ by is in the prediction intervals.
    frame["verdict"] = [verdict(ratio, margin=margin, noise=0.0) for ratio in ratios]
    factors, outside = _outside(evidence, tensors, parameters)
    frame["outside"] = max(factors)
    sizes = _range(evidence, "parameters", (tensors, parameters))
    counts = _range(evidence, "tensors", (tensors, parameters))
    return Ranking(
        evidence,
        tensors,
        parameters,
        frame,
        outside,
        crossovers(
            {n: _of_parameters(evidence, f, tensors) for n, f in fits.items()}, *sizes, margin
        ),
        crossovers(
            {n: _of_tensors(evidence, f, parameters) for n, f in fits.items()}, *counts, margin
        ),
        float(judged["error"].abs().median()) if len(judged) else None,
        float(judged["covered"].mean()) if len(judged) else None,
        margin,
    )


def _over(row: pd.Series[Any], best: pd.Series[Any]) -> Interval:
    """Divide a predicted time by the best one.

    Both are symmetric in the logarithm, and independent: the ratio r = t/b lies within
    r·exp(±√(ln²(t↑/t) + ln²(b↑/b))).
    """
    ratio = float(row["seconds"] / best["seconds"])
    if row["strategy"] == best["strategy"]:
        return Interval(1.0, 1.0, 1.0)
    ends = (math.log(each["seconds_high"] / each["seconds"]) for each in (row, best))
    reach = math.exp(math.hypot(*ends))
    return Interval(ratio, ratio / reach, ratio * reach)


def describe(evidence: Evidence) -> str:
    """Name the circumstances of some evidence in a line."""
    said = evidence.circumstances
    threads = said["threads"]
    parts = [
        said["rule"],
        said["device_name"] if isinstance(said["device_name"], str) else said["device"],
        said["dtype"],
        figures.threads(threads) if known(threads) else None,
        "cold cache" if said["cache"] == "cold" else None,
        f"torch {said['torch_version']}",
        said["zeroing"],
    ]
    return " · ".join(str(part) for part in parts if part is not None)


def memory_words(ranking: Ranking) -> str:
    """Say what the model asked for takes, and what the device has."""
    there, needed = ranking.evidence.memory_bytes, ranking.needed_bytes
    words = f"parameters, gradients and state take {figures.size(needed)} ({needed:,} bytes)"
    if there is None:
        return f"{words}; these rows do not say how much memory the device has"
    return f"{words}, the device has {figures.size(there)} ({there:,} bytes)"


def _row(
    evidence: Evidence,
    fit: CostFit,
    tensors: int,
    parameters: int,
    errors: pd.Series[float],
) -> dict[str, Any]:
    memory_s = _memory_s(evidence, parameters)
    found = fit.predict(tensors, memory_s)
    start, tensor, passes = zip(fit.figures, fit.low, fit.high, strict=True)
    figures = {"start_s": start, "tensor_s": tensor, "passes": passes}
    return {
        **evidence.circumstances,
        "needed_bytes": evidence.needed_bytes(parameters),
        "memory_bytes": evidence.memory_bytes,
        "strategy": fit.strategy,
        "tensors": tensors,
        "parameters": parameters,
        "seconds": found.seconds,
        "seconds_low": found.low,
        "seconds_high": found.high,
        "bottleneck": bottleneck(
            found.dispatch_fraction, roofline_fraction=memory_s / found.seconds
        ),
        **{
            f"{name}{end}": value
            for name, values in figures.items()
            for end, value in zip(("", "_low", "_high"), values, strict=True)
        },
        "models": fit.models,
        "worst_residual": fit.worst,
        "worst_model": fit.worst_model,
        "left_out_error": errors.get(fit.strategy),
    }


def _memory_s(evidence: Evidence, parameters: float) -> float:
    return float(evidence.memory.seconds(parameters * evidence.bytes_per_parameter))


def _of_parameters(evidence: Evidence, fit: CostFit, tensors: int) -> Any:
    return lambda parameters: fit.predict(tensors, _memory_s(evidence, parameters)).seconds


def _of_tensors(evidence: Evidence, fit: CostFit, parameters: int) -> Any:
    memory_s = _memory_s(evidence, parameters)
    return lambda tensors: fit.predict(tensors, memory_s).seconds


def _measured(evidence: Evidence, name: str) -> pd.DataFrame:
    updates = evidence.measurements[evidence.measurements["kind"] == "update"]
    values = updates["bytes"] / evidence.bytes_per_parameter
    shown = updates.assign(parameters=values.round().astype("int64"))
    return shown.sort_values(name)[[name, "model"]]


def _outside(evidence: Evidence, tensors: int, parameters: int) -> tuple[list[float], list[str]]:
    """Say by which factor each quantity lies beyond what was measured; 1 within."""
    factors, words = [1.0], []
    for name, asked in (("tensors", tensors), ("parameters", parameters)):
        measured = _measured(evidence, name)
        (low, smallest), (high, largest) = (
            (int(row[name]), row["model"]) for _, row in measured.iloc[[0, -1]].iterrows()
        )
        if asked > high:
            factors.append(asked / high)
            words.append(
                f"{asked:,} {name} are {asked / high:.3g} × the most that was measured, "
                f"{high:,} ({largest})"
            )
        elif asked < low:
            factors.append(low / asked)
            words.append(
                f"{asked:,} {name} are 1/{low / asked:.3g} of the fewest that were measured, "
                f"{low:,} ({smallest})"
            )
    return factors, words


def _range(evidence: Evidence, name: str, asked: tuple[int, int]) -> tuple[float, float]:
    """Bound the search for crossovers: what was measured or asked for; no tensor is empty."""
    tensors, parameters = asked
    measured = _measured(evidence, name)[name]
    own = tensors if name == "tensors" else parameters
    low, high = min(float(measured.min()), own), max(float(measured.max()), own)
    return (max(low, tensors), high) if name == "parameters" else (low, min(high, parameters))
