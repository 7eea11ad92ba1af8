"""How the isolated protocol runs, and what it measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gradbench.machine.contention import Contention
from gradbench.statistics.estimates import Estimates
from gradbench.statistics.sample import Sample
from gradbench.statistics.verdicts import MARGIN
from gradbench.timing.losses import Losses

FIRST_LOOK = 2
"""Replicates after which a cell can be certainly slower than the fastest."""


@dataclass(frozen=True)
class Isolation:
    """How the isolated protocol runs.

    Args:
        budget_s: Seconds it may take.
        precision: Relative half-width of every speedup's interval at which it stops.
        sample_s: Shortest duration of a sample, in seconds.
        replicates: Parts the budget is divided into, each with its tensors at other places.
        min_replicates: Replicates taken whatever the budget.
        min_rounds: Rounds taken in each of them whatever the budget.
        cold: The device empties the caches before each call: a sample is one, without another
            before it.
        margin: A cell that is certainly slower than the fastest by more than this gets no more
            samples.
        noise: Noise floor above which sampling goes on beyond the budget, for up to three times
            ``min_replicates``.
    """

    budget_s: float
    precision: float
    sample_s: float
    replicates: int
    min_replicates: int
    min_rounds: int = 1
    cold: bool = False
    margin: float = MARGIN
    noise: float = math.inf


@dataclass
class IsolatedResult:
    """What the isolated protocol measured.

    Args:
        samples: All samples.
        estimates: What they say.
        rounds: Number of rounds over all replicates.
        replicates: Number of replicates.
        stopped_by: ``precision`` or ``budget``.
        slower: Cells that were certainly slower than the fastest, and got no more samples.
        sampling_s: Seconds inside timed and untimed calls.
        contention: What the machine was shared with meanwhile.
        losses: Cells that raised.
    """

    samples: list[Sample] = field(default_factory=list)
    estimates: Estimates | None = None
    rounds: int = 0
    replicates: int = 0
    stopped_by: str = "budget"
    slower: set[str] = field(default_factory=set)
    sampling_s: float = 0.0
    contention: Contention | None = None
    losses: Losses = field(default_factory=Losses)
