"""What each cell of a block takes, beside what all cells of a round share."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gradbench.statistics.intervals import (
    FEWEST_RANKED,
    Interval,
    Times,
    centre,
    signed_ranks,
    widening,
)
from gradbench.statistics.moderation import moderate
from gradbench.statistics.processors import (
    Flags,
    Reals,
    by_processor,
    numbered,
    residuals,
    variance_share,
)
from gradbench.statistics.ratios import Logarithm

_SWEEPS = 10
_SETTLED = 1e-6
_TRIMMED = 0.25
"""Share of a round's cells on either side of the middle that say nothing of what all share."""

PROCESS = 0.005
"""Standard deviation of a ratio of different code from process to process, beyond what replicates
of one process show: in 22 re-runs of ``mlp_deep``, ``sgd``, it was 0.8 % of ``foreach``, 1.4 % of
``optimizer``, and not to be told from none of identical code. With half a percent 98 % held."""

_KNOWN = 1e9
"""Degrees of freedom of a variance that is taken as known."""

_ENOUGH = 0.75
"""Share of a replicate's cells that must be in a round for it to say what they share."""


@dataclass(frozen=True)
class Noise:
    """What single replicates vary by, in some of the replicates.

    Args:
        variances: Moderated variance of each cell's replicates.
        freedoms: Degrees of freedom of it.
        total: Degrees of freedom of all cells together, of which no ratio can have more.
    """

    variances: Mapping[str, float]
    freedoms: Mapping[str, float]
    total: float


@dataclass(frozen=True)
class Effects:
    """Cells and rounds of a block, taken apart: ln t = cell + round + rest.

    Whatever slows a round down slows all its cells; what is left of a cell's replicates when that
    is taken away is the noise of its own, and how large that is, the cells of a block say together
    (:mod:`gradbench.statistics.moderation`). So three replicates of twenty cells say more than
    three of one. They say it of the replicates that an estimate is made from: the first ones of a
    process vary most, and a cell that was left alone after them is known no better than they let.

    Where at least two replicates began on each processor, an estimate is the mean of the
    processors', and noise is what varies on one: that they differ is no noise, since all took part.

    Args:
        replicates: ln seconds of each cell in each replicate, less what its rounds share; NaN
            where there is none.
        shared: What each replicate's rounds share, ln seconds.
        factor: Widens intervals of a busy machine, whose neighbouring replicates correlate.
        shared_factor: The same for what the replicates share.
        process: Standard deviation of a ratio from process to process.
        alike: Cells of identical code, whose ratio has none of it.
        processors: On which each replicate began, -1 where it is unknown.
    """

    replicates: Mapping[str, Reals]
    shared: Reals
    factor: float = 1.0
    shared_factor: float = 1.0
    process: float = 0.0
    alike: Collection[str] = ()
    processors: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _noises: dict[bytes, Noise] = field(default_factory=dict, repr=False, compare=False)

    def ratio(self, numerator: str, denominator: str, confidence: float = 0.95) -> Interval | None:
        """Estimate the ratio of two cells' times.

        The centre over replicates of yᵢ − yⱼ, with the variance (s̃ᵢ² + s̃ⱼ²)/R + σ², where σ is what
        processes differ by. With Rₖ replicates on processor k of K, the mean of the K centres, and
        Σ Rₖ⁻¹/K² instead of R⁻¹.

        Args:
            numerator: A cell.
            denominator: Another.
            confidence: Of the interval.

        Returns:
            The ratio with its interval; infinite of a single replicate, None without one that
            both have.
        """
        if not {numerator, denominator} <= self.replicates.keys():
            return None
        differences = self.replicates[numerator] - self.replicates[denominator]
        there = np.isfinite(differences)
        if not there.any():
            return None
        noise = self.noise(there)
        pair = (numerator, denominator)
        parts = [_joined([self._part(cell, noise, there) for cell in pair], noise.total)]
        if not set(pair) <= set(self.alike):
            parts.append((self.process**2, _KNOWN))
        return _interval(self._middle(differences, there), there, parts, confidence)

    def time(self, cell: str) -> Interval | None:
        """Estimate a cell's time: its own, and what replicates share, which is part of its noise.

        What replicates share is that of all of them: a cell that was left alone early has the time
        that it would have had, and times divide as speedups do, though the machine drifts.

        Args:
            cell: Which.

        Returns:
            Seconds with the 95 % interval; infinite of a single replicate, None without one.
        """
        if cell not in self.replicates:
            return None
        own = self.replicates[cell]
        there = np.isfinite(own)
        if not there.any():
            return None
        known = np.isfinite(self.shared)
        groups = by_processor(known, self.processors)
        variance = (
            _variance(residuals(self.shared, groups))
            * self.shared_factor**2
            * variance_share(groups)
        )
        own_part = self._part(cell, self.noise(there), there)
        freedom = max(float(known.sum()) - len(groups), 1.0)
        parts = [own_part, (variance, freedom), (self.process**2 / 2, _KNOWN)]
        middle = self._middle(own, there) + self._middle(self.shared, known)
        return _interval(middle, there, parts, 0.95)

    def noise(self, there: Flags) -> Noise:
        """Estimate what the cells vary by in some replicates.

        Args:
            there: Which replicates.

        Returns:
            The noise, of every cell.
        """
        key = there.tobytes()
        if key not in self._noises:
            rows = np.stack(list(self.replicates.values()))
            own, degrees = _own(rows[:, there], self.processors[there])
            variances, freedoms = moderate(own, degrees)
            self._noises[key] = Noise(
                dict(zip(self.replicates, variances.tolist(), strict=True)),
                dict(zip(self.replicates, freedoms.tolist(), strict=True)),
                float(degrees.sum()),
            )
        return self._noises[key]

    def _part(self, cell: str, noise: Noise, there: Flags) -> tuple[float, float]:
        """Give the variance of a mean of some of a cell's replicates, and its freedom."""
        left = variance_share(by_processor(there, self.processors))
        return noise.variances[cell] * self.factor**2 * left, noise.freedoms[cell]

    def _middle(self, logarithms: Reals, there: Flags) -> float:
        """Take the centre of replicates, or the mean of the processors'."""
        groups = by_processor(there, self.processors)
        return float(np.mean([centre(logarithms[group]) for group in groups]))


def effects(
    times: Mapping[str, Times],
    *,
    busy: bool = False,
    process: float = 0.0,
    alike: Collection[str] = (),
    processors: Sequence[int | None] = (),
) -> Effects:
    """Take the times of a block apart, by a polish over its cells and rounds.

    Of a cell the median over rounds, so that an interrupted sample does not move it; of a round
    the mean of the middle half of its cells, so that a cell gone wrong does not.

    Args:
        times: Seconds by cell, replicates × rounds, all of one shape; NaN where there is no sample
            or it does not count.
        busy: The machine was busy: intervals allow for replicates that correlate.
        process: Standard deviation of a ratio from process to process.
        alike: Cells of identical code.
        processors: On which each replicate began, None where it is unknown; none if empty.

    Returns:
        The effects.

    Source: J. W. Tukey, Exploratory Data Analysis, 1977, chapter 11 (median polish).
    """
    names = list(times)
    if not names:
        return Effects({}, np.empty(0))
    logarithms = np.log(np.stack([times[name] for name in names]))
    rounds = _rounds(logarithms)
    rows, shared = _median(logarithms - rounds), _median(rounds)
    found = Effects(
        dict(zip(names, rows, strict=True)),
        shared,
        process=process,
        alike=alike,
        processors=numbered(processors, shared.size),
    )
    if not busy:
        return found

    def factor(*several: Reals) -> float:
        parted = [by_processor(np.isfinite(row), found.processors) for row in several]
        return widening(np.stack([residuals(*each) for each in zip(several, parted, strict=True)]))

    return replace(found, factor=factor(*rows), shared_factor=factor(shared))


def _rounds(logarithms: Reals) -> Reals:
    """Find what the cells of each round share: replicates × rounds.

    Of a round that most cells have no clean sample in, that cannot be told from their own noise:
    it has what its replicate shares.
    """
    there = np.isfinite(logarithms)
    taking = there.any(axis=2).sum(axis=0)[:, None]
    sparse = there.sum(axis=0) < _ENOUGH * taking
    cells = _median(_flat(logarithms))
    rounds = np.zeros(logarithms.shape[1:])
    for _ in range(_SWEEPS):
        rest = np.moveaxis(logarithms - cells[:, None, None], 0, -1)
        replicates = _median(_flat(rest))[:, None]
        rounds = np.where(sparse, replicates, _trimmed(rest))
        polished = _median(_flat(logarithms - rounds))
        moved = np.max(np.nan_to_num(np.abs(polished - cells)), initial=0.0)
        cells = polished
        if moved < _SETTLED:
            break
    return rounds


def _flat(values: Reals) -> Reals:
    """Join all axes but the first."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _median(values: Reals) -> Reals:
    """Take medians along the last axis of what is no NaN; NaN where nothing is.

    ``numpy.nanmedian`` goes row by row, which takes seven times as long.
    """
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], math.nan)
    ordered = np.sort(values, axis=-1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    middle = (np.maximum(count - 1, 0) // 2, np.minimum(count // 2, ordered.shape[-1] - 1))
    low, high = (np.take_along_axis(ordered, index, axis=-1)[..., 0] for index in middle)
    return np.where(count[..., 0] > 0, (low + high) / 2, math.nan)


def _trimmed(values: Reals) -> Reals:
    """Take means along the last axis of the middle half of what is no NaN; NaN where nothing is.

    Not medians: of three cells that is one of them, which then has no noise of its own.
    """
    ordered = np.sort(values, axis=-1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    cut = (_TRIMMED * count).astype(int)
    place = np.arange(values.shape[-1])
    kept = (place >= cut) & (place < count - cut)
    total = np.where(kept, ordered, 0.0).sum(axis=-1)
    number = kept.sum(axis=-1)
    return np.where(number > 0, total / np.maximum(number, 1), math.nan)


def _own(rows: Reals, processors: NDArray[np.int64]) -> tuple[Reals, Reals]:
    """Estimate each cell's variance by itself, and its degrees of freedom.

    What the n cells of a replicate share is estimated from them, and takes 1/n of their noise with
    it: all of it where a cell is alone.
    """
    there = np.isfinite(rows)
    left = 1 - 1 / np.maximum(there.sum(axis=0), 1)
    rows = rows - _median(rows)[:, None]
    rows = rows - np.nanmean(rows, axis=0)
    variances, degrees = [], []
    for row, mask in zip(rows, there & (left > 0), strict=True):
        groups, count = by_processor(mask, processors), int(mask.sum())
        variances.append(_variance((residuals(row, groups) / np.sqrt(left))[mask]))
        degrees.append(max(count - len(groups), 0) * float(left[mask].mean()) if count else 0.0)
    return np.array(variances), np.array(degrees)


def _variance(logarithms: Reals) -> float:
    """Estimate the variance of one replicate, by ranks where there are enough to rank.

    One replicate gone wrong widens the interval of signed ranks less than Student's.
    """
    logarithms = logarithms[np.isfinite(logarithms)]
    if logarithms.size < 2:
        return 0.0
    if logarithms.size < FEWEST_RANKED:
        return float(logarithms.var(ddof=1))
    (error, _), *_ = Logarithm.of(signed_ranks(logarithms)).parts
    return error * logarithms.size


def _joined(parts: list[tuple[float, float]], total: float) -> tuple[float, float]:
    """Add variances up, by Welch and Satterthwaite, though not beyond what all cells say."""
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0, max(total, 1.0)
    shares = sum((part / variance) ** 2 / freedom for part, freedom in parts)
    return variance, min(1 / shares, total)


def _interval(
    middle: float, there: Flags, parts: list[tuple[float, float]], confidence: float
) -> Interval:
    """Give the centre of replicates with an interval of their variance."""
    replicates = int(there.sum())
    if replicates < 2:
        return Interval(math.exp(middle), 0.0, math.inf, replicates)
    return replace(Logarithm(middle, tuple(parts)).interval(confidence), replicates=replicates)
