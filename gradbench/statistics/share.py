"""How often something happened, with its exact interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats

from gradbench.statistics.intervals import CONFIDENCE


@dataclass(frozen=True)
class Share:
    """Hits among trials.

    Args:
        hits: How many.
        trials: Of how many.
    """

    hits: int
    trials: int

    @property
    def estimate(self) -> float:
        """Hits over trials; NaN without trials."""
        return self.hits / self.trials if self.trials else math.nan

    def columns(self, name: str) -> dict[str, float | None]:
        """Return the share and its exact 95 % interval as columns.

        Args:
            name: Of the share's column.

        Returns:
            The share, and the interval's ends as ``NAME_low`` and ``NAME_high``; None without
            trials.

        Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits Illustrated in the
            Case of the Binomial, Biometrika 26, 1934.
        """
        if not self.trials:
            return {name: None, f"{name}_low": None, f"{name}_high": None}
        exact = stats.binomtest(self.hits, self.trials).proportion_ci(CONFIDENCE)
        return {
            name: self.estimate,
            f"{name}_low": float(exact.low),
            f"{name}_high": float(exact.high),
        }
