"""What the training budget is spent on: who takes part in a pass, and for how many steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradbench.statistics.intervals import FEWEST_RANKED
from gradbench.timing.contender import Contender

FEWEST_PASSES = FEWEST_RANKED + 2
"""Passes that whoever takes part is to have: fewer say nothing by their ranks, and one or two may
be disturbed."""

WANTED_PASSES = 10
"""Passes that are made before any of them gets longer."""

OVERTIME = 1.2
"""Times as long as expected may the passes take that must be."""

MOST_STEPS = 10
"""Most steps of a pass, the untimed first one apart."""

WHOLE_SHARE = 0.5
"""Share of the budget that whole steps get, however long the first pass took."""

LONG_TURN_S = 0.25
"""Seconds of a turn, from which on who is certainly slower anyway trains only if there is time."""

PHASES_FROM = 4
"""Steps of a pass from which on its last one is timed phase by phase."""


@dataclass(frozen=True)
class Cost:
    """What a contender's turn costs.

    Args:
        step_s: Seconds of a step, median.
        apart_s: Seconds outside of steps: starting over, binding and releasing.
    """

    step_s: float
    apart_s: float

    def turn_s(self, steps: int) -> float:
        """Seconds of a turn with so many steps, after an untimed one."""
        return self.apart_s + (1 + steps) * self.step_s


def by_importance(
    contenders: Sequence[Contender], costs: Mapping[str, Cost], fastest: str | None = None
) -> list[Contender]:
    """Order contenders by what their step is worth knowing.

    Args:
        contenders: Who may take part.
        costs: What each costs, by cell.
        fastest: Cell whose update is the fastest; None if unknown.

    Returns:
        The baseline and its twin, the fastest, the strategies with the default zeroing, fastest
        step first, the zeroings with the baseline's strategy, then all others; none of unknown
        cost.
    """
    baseline = next((c.cell for c in contenders if c.cell.role == "baseline"), None)

    def importance(contender: Contender) -> tuple[int, float]:
        cell = contender.cell
        if cell.role in ("baseline", "twin"):
            return (0, float(cell.role == "twin"))
        if cell.name == fastest:
            return (1, 0.0)
        if baseline is None or cell.zeroing == baseline.zeroing:
            return (1, costs[cell.name].step_s)
        return (2 if cell.strategy == baseline.strategy else 3, 0.0)

    return sorted((c for c in contenders if c.cell.name in costs), key=importance)


def least_s(ordered: Sequence[Contender], costs: Mapping[str, Cost], fastest: str | None) -> float:
    """Say how long it takes to learn what the fastest update saves of a step.

    Args:
        ordered: Contenders, the most important first.
        costs: What each costs, by cell.
        fastest: Cell whose update is the fastest; None if unknown.

    Returns:
        Seconds of as many passes of baseline, twin and fastest as there are to be; 0 where these
        are not three.
    """
    wanted = [c.cell.name for c in ordered if c.cell.role in ("baseline", "twin")]
    wanted += [c.cell.name for c in ordered if c.cell.name == fastest]
    if len(set(wanted)) < 3:
        return 0.0
    return OVERTIME * FEWEST_PASSES * sum(costs[name].turn_s(1) for name in wanted)


def participants(
    ordered: Sequence[Contender], costs: Mapping[str, Cost], left_s: float, done: int
) -> list[Contender]:
    """Choose as many contenders as get enough passes.

    Asked anew before each pass: on a machine that turns out busy, the least important ones make
    room for the others.

    Args:
        ordered: Contenders, the most important first.
        costs: What each costs, by cell.
        left_s: Seconds left of the budget.
        done: Passes made already.

    Returns:
        The first of them, of whom one more pass of one timed step fits, and all that are missing
        to ``FEWEST_PASSES``.
    """
    missing = max(FEWEST_PASSES - done, 1)
    chosen: list[Contender] = []
    needed_s = 0.0
    for contender in ordered:
        needed_s += missing * costs[contender.cell.name].turn_s(1)
        if needed_s > left_s:
            break
        chosen.append(contender)
    return chosen


def steps_of_pass(costs: Sequence[Cost], left_s: float, done: int, slowness: float = 1.0) -> int:
    """Say how many steps the next pass has.

    At most twice those of the pass before it: a step may take longer than in the first pass.

    Args:
        costs: Of those that take part.
        left_s: Seconds left of the budget.
        done: Passes made already.
        slowness: Seconds that the last pass took over those expected, where it took more.

    Returns:
        Steps of each contender, after an untimed one: a share of what is left, as long as there
        are passes to make; one at least.
    """
    apart_s, step_s = sum(c.apart_s for c in costs), sum(c.step_s for c in costs)
    share_s = left_s / slowness / max(WANTED_PASSES - done, 1)
    fit = int((share_s - apart_s) / max(step_s, 1e-9)) - 1
    return min(max(fit, 1), 1 << min(done, MOST_STEPS), MOST_STEPS)
