"""Would another estimator of a speedup, or another interval, be right more often?

`python -m gradbench calibrate` measures one block again and again and stores every sample. Here
other ways to make a figure of these samples are judged on them as gradbench's own is: how often an
interval holds the median of all re-runs, how often it calls identical things different, which
planted slowdown it finds. That is why gradbench estimates the variances of a block's cells
together, ranks replicates instead of averaging them, does not stop before six of them, and widens
the intervals of a busy machine.

    python experiments/estimators.py results/RUN

writes the second part of experiments/coverage.md. This file observes nothing: it reads.

Sources: Hodges and Lehmann, Estimates of Location Based on Rank Tests, 1963; Efron and Tibshirani,
An Introduction to the Bootstrap, 1993; Kalibera and Jones, Rigorous Benchmarking in Reasonable
Time, 2013.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from scipy import stats

from gradbench.calibration.block import IDENTICAL, PLANTED
from gradbench.calibration.judgement import figures
from gradbench.calibration.replay import CONTROL, Rerun, reruns_of
from gradbench.calibration.table import ESTIMATOR, INTERVAL
from gradbench.errors import BadRequest
from gradbench.report.calibration import found_text, load_of, percent
from gradbench.report.markdown import markdown_table
from gradbench.results.files import readable_files, run_folder
from gradbench.results.incomplete import explain_nothing
from gradbench.results.load import load
from gradbench.results.store import Store
from gradbench.statistics.intervals import (
    CONFIDENCE,
    Interval,
    Times,
    exponential,
    signed_ranks,
    widening,
)
from gradbench.statistics.ratios import Logarithm
from gradbench.statistics.selection import select
from gradbench.terminal.console import check_folders

Reals = NDArray[np.float64]
Method = Callable[[Times, Times], Interval | None]
"""From a numerator and a denominator, seconds, replicates × rounds, to their ratio."""

RESAMPLES, MOST_WALSH = 300, 200
FEW = 8
PAIRS = "median of pairs"
EARLIEST = (3, 8)
"""Least numbers of replicates for which early stopping is replayed; gradbench's own is 6."""
PRECISION, STRICTER = 0.01, 0.008
"""Relative half-widths at which it is replayed."""


# --- Estimators: one log ratio for each replicate, of its rounds' log times -----------------------


def by_replicate(pairs: Times, centre: Callable[[Reals], Any]) -> Reals:
    """Take the centre of each replicate's pairs."""
    rows = [row[np.isfinite(row)] for row in pairs]
    return np.array([centre(row) if row.size else np.nan for row in rows])


def hodges_lehmann(pairs: Reals) -> float:
    """Take the median over two rounds' means."""
    i, j = np.triu_indices(min(pairs.size, MOST_WALSH))
    return float(np.median((pairs[i] + pairs[j]) / 2))


ESTIMATORS: dict[str, Callable[[Times, Times], Reals]] = {
    PAIRS: lambda n, d: np.nanmedian(n - d, axis=1),
    "mean of pairs": lambda n, d: np.nanmean(n - d, axis=1),
    "middle half of pairs, mean": lambda n, d: by_replicate(
        n - d, lambda pairs: stats.trim_mean(pairs, 0.25)
    ),
    "Hodges-Lehmann of pairs": lambda n, d: by_replicate(n - d, hodges_lehmann),
    "ratio of medians": lambda n, d: np.nanmedian(n, axis=1) - np.nanmedian(d, axis=1),
    "ratio of first deciles": lambda n, d: (
        np.nanquantile(n, 0.1, axis=1) - np.nanquantile(d, 0.1, axis=1)
    ),
    "ratio of minima": lambda n, d: np.nanmin(n, axis=1) - np.nanmin(d, axis=1),
}


# --- Intervals: of the replicates' log ratios -----------------------------------------------------


def wider_signed_ranks(factor: float, estimates: Reals) -> Interval:
    """Widen the interval of signed ranks by a factor about its estimate."""
    interval = signed_ranks(estimates)
    if interval.low == 0:
        return interval
    middle, low, high = map(math.log, (interval.estimate, interval.low, interval.high))
    return exponential(middle, middle + factor * (low - middle), middle + factor * (high - middle))


def correlated_signed_ranks(estimates: Reals) -> Interval:
    """Widen the interval of signed ranks as the correlation of neighbours asks for."""
    return wider_signed_ranks(widening(estimates[None, :]), estimates)


def student(estimates: Reals) -> Interval:
    """Take Student's interval; infinite for one replicate."""
    middle = float(estimates.mean())
    if estimates.size == 1:
        return Interval(math.exp(middle), 0.0, math.inf)
    variance = float(estimates.var(ddof=1)) / estimates.size
    return Logarithm(middle, ((variance, estimates.size - 1.0),)).interval()


def student_of_threes(estimates: Reals) -> Interval:
    """Take Student's interval of medians of three neighbouring replicates."""
    groups = max(estimates.size // 3, 1)
    return student(np.array([np.median(group) for group in np.array_split(estimates, groups)]))


def order_statistics(estimates: Reals) -> Interval:
    """Take the median, and the order statistics that a sign test admits."""
    ordered = np.sort(estimates)
    rank = int(stats.binom.ppf((1 - CONFIDENCE) / 2, ordered.size, 0.5))
    if rank == 0:
        return Interval(math.exp(float(np.median(ordered))), 0.0, math.inf)
    low, high = float(ordered[rank - 1]), float(ordered[ordered.size - rank])
    return exponential(float(np.median(ordered)), low, high)


def bootstrap(estimates: Reals) -> Interval:
    """Resample replicates; percentiles of the mean."""
    if estimates.size == 1:
        return student(estimates)  # unknown
    drawn = np.random.default_rng(0).integers(estimates.size, size=(RESAMPLES, estimates.size))
    return percentiles(float(estimates.mean()), estimates[drawn].mean(axis=1))


def percentiles(middle: float, resampled: Reals) -> Interval:
    """Take the middle 95 % of what was resampled."""
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return exponential(middle, float(low), float(high))


INTERVALS: dict[str, Callable[[Reals], Interval]] = {
    "signed ranks of replicates": signed_ranks,
    "Student over replicates": student,
    "signed ranks, for their correlation": correlated_signed_ranks,
    "signed ranks, 1.5 times as wide": partial(wider_signed_ranks, 1.5),
    "Student over medians of three": student_of_threes,
    "order statistics of replicates": order_statistics,
    "bootstrap over replicates": bootstrap,
}
FOR_ALL = ("signed ranks of replicates", "Student over replicates")
"""Intervals that are tried with every estimator; the others with gradbench's own."""


# --- Methods --------------------------------------------------------------------------------------


def over_replicates(estimator: str, interval: str) -> Method:
    """Join an estimator and an interval."""

    def apply(numerator: Times, denominator: Times) -> Interval | None:
        with warnings.catch_warnings():  # a replicate without a clean sample has no centre
            warnings.simplefilter("ignore", RuntimeWarning)
            estimates = ESTIMATORS[estimator](np.log(numerator), np.log(denominator))
        finite = estimates[np.isfinite(estimates)]
        return INTERVALS[interval](finite) if finite.size else None

    return apply


def bootstrap_rounds(numerator: Times, denominator: Times) -> Interval | None:
    """Resample replicates, then rounds within each; percentiles of the mean of their medians."""
    rows = [row[np.isfinite(row)] for row in np.log(numerator) - np.log(denominator)]
    rows = [row for row in rows if row.size]
    if not rows:
        return None
    order = np.random.default_rng(0)
    # Medians of resampled rounds first; the resampled replicates then draw from them.
    picks = [order.integers(row.size, size=(RESAMPLES, row.size)) for row in rows]
    medians = np.array([np.median(row[p], axis=1) for row, p in zip(rows, picks, strict=True)])
    drawn = order.integers(len(rows), size=(RESAMPLES, len(rows)))
    columns = order.integers(RESAMPLES, size=drawn.shape)
    middle = float(np.mean([np.median(row) for row in rows]))
    return percentiles(middle, medians[drawn, columns].mean(axis=1))


def pooled_rounds(numerator: Times, denominator: Times) -> Interval | None:
    """Take order statistics of all pairs, as if every round were independent of every other."""
    pairs = (np.log(numerator) - np.log(denominator)).ravel()
    pairs = pairs[np.isfinite(pairs)]
    return order_statistics(pairs) if pairs.size >= 6 else None


METHODS: dict[tuple[str, str], Method] = {
    **{
        (estimator, interval): over_replicates(estimator, interval)
        for interval in INTERVALS
        for estimator in ESTIMATORS
        if estimator == PAIRS or interval in FOR_ALL
    },
    (PAIRS, "bootstrap over replicates, rounds"): bootstrap_rounds,
    (PAIRS, "order statistics, rounds pooled"): pooled_rounds,
}


# --- Judging them ---------------------------------------------------------------------------------


def intervals(rerun: Rerun, method: Method) -> dict[str, Interval]:
    """Estimate every cell's speedup in a re-run."""
    kept = select(rerun.grids, baseline=rerun.baseline, control=CONTROL).kept
    times = {cell: kept[cell, "update"] for cell in [rerun.baseline, *rerun.cells]}
    found = {cell: method(times[rerun.baseline], times[cell]) for cell in rerun.cells}
    return {cell: interval for cell, interval in found.items() if interval is not None}


def thinned(rerun: Rerun, share: float) -> Rerun:
    """Return as many replicates, each with a share of its rounds, the first ones."""
    there = np.isfinite(rerun.times[rerun.baseline])
    last = np.maximum(np.ceil(share * there.sum(axis=1)), 1)[:, None]
    early = np.arange(there.shape[1])[None, :] < last
    times = {cell: np.where(early, values, np.nan) for cell, values in rerun.times.items()}
    return replace(rerun, times=times)


def trials(reruns: Sequence[Rerun]) -> Iterator[tuple[tuple[str, str], str, list[Rerun]]]:
    """Yield methods, when sampling ends, and what had been sampled then."""
    stated = (ESTIMATOR, INTERVAL)
    for precision, least in [*((PRECISION, count) for count in EARLIEST), (STRICTER, 6)]:
        label = f"{100 * precision:g} %, {least} replicates at least"
        yield stated, label, [rerun.stopped(precision, least) for rerun in reruns]
    yield from ((name, "budget", list(reruns)) for name in (stated, *METHODS))
    fewest = min(rerun.replicates for rerun in reruns)
    if fewest >= 2 * FEW:  # the same time for a few long replicates, and for more and shorter ones
        few = [rerun.first(FEW) for rerun in reruns]
        more = [thinned(rerun.first(fewest), FEW / fewest) for rerun in reruns]
        for label, taken in ((f"{FEW} replicates", few), (f"as long, {fewest} replicates", more)):
            own = [name for name in METHODS if name[0] == PAIRS]
            yield from ((name, label, taken) for name in (stated, *own))


def judge(reruns: Sequence[Rerun], sizes: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    """Judge every method on the same re-runs; sizes are those of the planted slowdowns."""
    zeroing = reruns[0].baseline.partition("/")[2]
    identical = ["twin", *(f"{name}/{zeroing}" for name in IDENTICAL)]
    planted = {f"{name}/{zeroing}": size for name, size in sizes.items()}
    for (estimator, interval), stopping, taken in trials(reruns):
        method = METHODS.get((estimator, interval))
        found = [r.intervals() if method is None else intervals(r, method) for r in taken]
        yield {
            "estimator": estimator,
            "interval": interval,
            "stopping": stopping,
            "replicates": float(np.mean([rerun.replicates for rerun in taken])),
            **figures(found, identical, planted),
        }


# --- The page -------------------------------------------------------------------------------------

HEAD = """\
## Other estimators and intervals

Written by `python experiments/estimators.py`, from the samples that `python -m gradbench calibrate`
stored: every candidate is judged on the same ones. *± 95 %* is the median relative half-width of an
interval, *spread* the standard deviation over re-runs of the log ratio (median of the cells),
*bias* the mean log ratio of identical cells. The first line is what gradbench states.
"""


def page(folder: Path, baseline: str) -> Iterator[str]:
    """Write what every method says of each calibration below a folder, load by load."""
    yield HEAD.strip()
    files = readable_files(folder, "calibrations")
    if files.left_out or not files.readable:
        raise BadRequest(explain_nothing([folder], files.left_out, "calibrations"))
    for file in files.readable:
        rows, run = load(file, "calibrations"), Store(run_folder(file))
        parts = sorted((run.folder / "calibration_samples").glob(f"{file.stem}-hogs*"))
        if not parts:
            raise BadRequest(f"no samples beside {file}")
        samples = pd.concat(load(part, "calibration_samples") for part in parts)
        planted = load(run.path("planted_work", file.stem), "planted_work")
        sizes = dict(zip(planted["strategy"], map(float, planted["difference"]), strict=True))
        zeroing = next(c for c in samples["cell"] if c.startswith(IDENTICAL[0])).partition("/")[2]
        if f"{baseline}/{zeroing}" not in set(samples["cell"]):
            raise BadRequest(f"--baseline {baseline}: {file} has no such strategy")
        by_load: dict[int, list[Rerun]] = {}
        for hogs, _, rerun in reruns_of(samples, f"{baseline}/{zeroing}"):
            by_load.setdefault(hogs, []).append(rerun)
        for row in rows[rows["stated"].astype(bool)].to_dict("records"):
            yield f"### {row['model']} · {row['rule']} · {row['device']}, {load_of(row)}"
            judged = judge(by_load[row["hogs"]], {name: sizes[name] for name in PLANTED})
            yield table([row, *judged])


def table(rows: Sequence[Mapping[Any, Any]]) -> str:
    """Write a line for each method."""
    lines = []
    for row in rows:
        lines.append(
            [
                *(row["estimator"], row["interval"], row["stopping"], f"{row['replicates']:.1f}"),
                *(percent(row["coverage"]), percent(row["false_alarms"])),
                found_text(row["detectable_difference"]),
                *(percent(row[name]) for name in ("half_width", "spread", "bias")),
            ]
        )
    heads = ["estimator", "interval", "stops at", "replicates", "coverage", "false alarms", "found"]
    return markdown_table([*heads, "± 95 %", "spread", "bias"], lines)


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of a calibration.")],
    baseline: Annotated[str, typer.Option(help="Strategy that speedups refer to.")] = "no_grad",
) -> None:
    """Judge other estimators and intervals on the samples of a stored calibration."""
    check_folders([folder])
    try:
        sys.stdout.write("\n\n".join(page(folder, baseline)) + "\n")
    except BadRequest as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    typer.run(main)
