"""What a dtype hides: mistakes that verification cannot see in it, updates that are lost in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradbench.results.status import TIMED
from gradbench.statistics.verdicts import known
from gradbench.terminal.figures import UNKNOWN

if TYPE_CHECKING:
    import pandas as pd

WEAK = 4.0
"""Tolerances: a mutant nearer than that might pass for the rule."""

_MANY_LOST = 0.01
"""Share of updates lost from which it is a finding."""

_FAR = 1000
"""Tolerances beyond which nobody asks how many."""

_NAMED = 4
"""Mutants, strategies or models that are named where there are more."""


@dataclass(frozen=True)
class Resolution:
    """What verification could see in a block, and what its dtype loses.

    Args:
        dtype: The block's.
        lr: Learning rate; NaN where unknown.
        power: Tolerances between the rule and its nearest mutant, at verification's own
            hyperparameters, the least of all cells; None in files that do not say.
        nearest: That mutant.
        hidden: Mutants that cannot be told from the rule at the block's hyperparameters, each with
            the strategies that this holds for, unless it holds for all.
        lost: Share of the elements that a right first update leaves as they are.
    """

    dtype: str
    lr: float
    power: float | None
    nearest: str | None
    hidden: tuple[str, ...]
    lost: float | None

    @property
    def is_weak(self) -> bool:
        """Whether a mutant might pass for the rule even at verification's own hyperparameters."""
        return self.power is not None and self.power < WEAK

    @property
    def loses_updates(self) -> bool:
        """Whether enough updates are lost to say so."""
        return self.lost is not None and self.lost > _MANY_LOST

    @property
    def distance(self) -> str:
        """Give the power, such as ``6.4``."""
        if self.power is None:
            return UNKNOWN
        return f"{self.power:.2g}" if self.power < _FAR else f"over {_FAR}"

    @property
    def limit(self) -> str:
        """Name the resolution, such as ``the resolution of bfloat16 at lr 6e-07``."""
        return f"the resolution of {self.dtype}" + (f" at lr {self.lr:g}" if known(self.lr) else "")


def resolution(block: pd.DataFrame) -> Resolution:
    """Sum up what the cells of a block say.

    Args:
        block: Its rows of ``cells``, with ``lr`` where it is known.

    Returns:
        The sum.
    """
    asked = block[block["role"].isin(["baseline", "candidate"])]
    right = asked[asked["status"].isin(TIMED)]
    examined = right[right["power"].notna()].sort_values("power", kind="stable")
    lost = asked["lost_fraction"].dropna()
    rates = asked["lr"].dropna() if "lr" in asked else asked["power"].iloc[:0]
    return Resolution(
        str(block["dtype"].iloc[0]),
        float(rates.iloc[0]) if len(rates) else float("nan"),
        float(examined["power"].iloc[0]) if len(examined) else None,
        str(examined["nearest_mutant"].iloc[0]) if len(examined) else None,
        _hidden(right),
        float(lost.max()) if len(lost) else None,
    )


def _hidden(right: pd.DataFrame) -> tuple[str, ...]:
    """List the mutants that cannot be told; a strategy's own tolerance may hide more."""
    verified = right[right["indistinguishable"].notna()]
    strategies = defaultdict[str, dict[str, None]](dict)
    for row in verified.to_dict("records"):
        for name in filter(None, str(row["indistinguishable"]).split("; ")):
            strategies[name][str(row["strategy"])] = None
    every = set(verified["strategy"])
    return tuple(
        name if set(own) == every else f"{name} (with {few(list(own))})"
        for name, own in strategies.items()
    )


def few(names: Sequence[str]) -> str:
    """Name some things, and count the others.

    Args:
        names: Their names.

    Returns:
        Such as ``a, b, c, d and 3 more``.
    """
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def cannot_see(seen: Resolution) -> str | None:
    """Say which mistakes verification would not have seen.

    Args:
        seen: Of a block.

    Returns:
        A line without the block's name; None where there is nothing to say.
    """
    if seen.is_weak:
        hidden = f"; at the block's it cannot see: {few(seen.hidden)}" if seen.hidden else ""
        return (
            f"verified, but weakly: at verification's own hyperparameters the nearest mutant, "
            f"{seen.nearest}, is {seen.distance} tolerances away, and what is nearer than "
            f"{WEAK:g} may pass for right{hidden}"
        )
    if not seen.hidden:
        return None
    own = ""
    if seen.power is not None:
        own = (
            "; at its own hyperparameters it sees every mutant, the nearest at "
            f"{seen.distance} tolerances: {seen.nearest}"
        )
    return (
        f"verification at these hyperparameters cannot see: {few(seen.hidden)} "
        f"(below {seen.limit}){own}"
    )


def lost_updates(seen: Resolution) -> str | None:
    """Say how many updates are lost, and what helps.

    Args:
        seen: Of a block.

    Returns:
        A line without the block's name; None where hardly any are.
    """
    if not seen.loses_updates or seen.lost is None:
        return None
    return (
        f"{100 * seen.lost:.3g} % of the elements are left as they are by a right first update: it "
        f"is below {seen.limit}; float32 master weights, stochastic rounding or a larger lr help"
    )


def resolution_lines(cells: pd.DataFrame) -> list[str]:
    """Say of each block what its dtype hides; models of which the same is said share a line.

    Args:
        cells: Rows of ``cells``, with ``lr`` where it is known.

    Returns:
        The lines; none where verification saw everything and no updates are lost.
    """
    said = defaultdict[tuple[str, str, str], dict[str, None]](dict)
    for _, block in cells.groupby(["run", "host", "block"], dropna=False, sort=False):
        first, seen = block.iloc[0], resolution(block)
        for words in (cannot_see(seen), lost_updates(seen)):
            if words is not None:
                said[str(first["rule"]), seen.dtype, words][str(first["model"])] = None
    return [
        f"{few(list(models))} · {rule} · {dtype}: {words}"
        for (rule, dtype, words), models in said.items()
    ]
