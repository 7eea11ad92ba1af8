"""What does the next step do to a parameter whose gradient was cleared and did not come back?

Two parameters take one step. Both gradients are cleared. In the next step only one of them gets a
gradient, as when a layer is frozen or not used for a while. What happens to the other one depends
on whether its gradient was cleared to None or to zeros: the documentation says that with None an
optimizer skips the parameter, and with 0 it takes a step with a gradient of 0. Whether that moves
the parameter follows from the optimizer's formula: momentum and weight decay go on without a
gradient. Every optimizer of torch.optim is asked, in each implementation, with its default options
and with momentum and weight decay switched over.

Outcomes: `skips` (the parameter and its state are bitwise what they were), `advances` (only the
state changed), `moves`.

A case is as documented if None skips; if zeros do what the for-loop does with an explicit zero
gradient at float64, and at least advance the state of an optimizer that keeps any (one with a
tolerance for the gradient may stop there); and if a gradient that was not cleared is applied again.

Source: documentation of torch.optim.Optimizer.zero_grad, on `set_to_none`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.observing.cases import documented, observe_named
from gradbench.observing.observation import Observation, Verdict, first_line
from gradbench.observing.optimizers import Variant, keywords, step_of, variants
from gradbench.observing.options import options
from gradbench.observing.script import main
from gradbench.zeroing.base import Zeroing

SOURCE = "documentation of torch.optim.Optimizer.zero_grad, set_to_none"

LR = 0.1

SWITCHED: dict[str, float] = {"momentum": 0.9, "weight_decay": 0.1}
"""Options that are switched on where they are 0 by default, and to 0 where they are not."""

SAME = 1e-2
"""Relative error below which two movements are the same; Muon computes in bfloat16."""

SKIPS, ADVANCES, MOVES = "skips", "advances", "moves"


@dataclass(frozen=True, kw_only=True)
class NextStep(Observation):
    """What the next step does to a parameter without a gradient.

    Args:
        zeroing: How the gradient was cleared.
        optimizer: Optimizer of torch.optim.
        implementation: ``for_loop``, ``foreach`` or ``fused``.
        options: Keywords given to it.
        moved: Largest change of an element, over the learning rate.
    """

    zeroing: str | None = None
    optimizer: str
    implementation: str
    options: str
    moved: float | None = None


def with_options(variant: Variant) -> Iterator[Variant]:
    """Yield the variant with its default options, and with each option switched over."""
    yield variant
    takes = keywords(variant.optimizer)
    for name, value in SWITCHED.items():
        if name in takes:
            yield replace(variant, options={name: 0.0 if takes[name].default else value})


class TwoSteps:
    """A first step with gradients for two parameters, and a second one without one for ``idle``."""

    def __init__(self, variant: Variant, dtype: torch.dtype, device: torch.device) -> None:
        start = torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]], dtype=dtype, device=device)
        self.gradient = torch.tensor(
            [[0.5, 1.0, -1.5], [2.0, -2.5, 3.0]], dtype=dtype, device=device
        )
        self.idle, self.busy = Parameter(start.clone()), Parameter(start.clone())
        self.optimizer = variant.build([self.idle, self.busy], LR)
        self.idle.grad, self.busy.grad = self.gradient.clone(), self.gradient.clone()
        self._step = step_of(self.optimizer)
        self._step()

    def step_without_gradient(self) -> tuple[str, Tensor]:
        """Take the second step; return what happened to ``idle`` and its change over lr."""
        self.busy.grad = self.gradient.clone()
        value, state = self.idle.detach().clone(), self.state()
        self._step()
        change = ((self.idle.detach() - value) / LR).double()
        if change.any():
            return MOVES, change
        after = self.state()
        same = after.keys() == state.keys() and all(after[k].equal(state[k]) for k in after)
        return (SKIPS if same else ADVANCES), change

    def state(self) -> dict[str, Tensor]:
        """Copy the tensors of the idle parameter's state."""
        state = self.optimizer.state[self.idle]
        return {key: x.clone() for key, x in state.items() if isinstance(x, Tensor)}


def expect(variant: Variant, left: Tensor | None, device: torch.device) -> tuple[str, Tensor]:
    """Say what the second step should do, given what is left in ``.grad``."""
    if left is None:
        return SKIPS, torch.zeros(1, dtype=torch.float64, device=device)
    steps = TwoSteps(replace(variant, implementation="for_loop"), torch.float64, device)
    steps.idle.grad = left.double()
    stateful = bool(steps.state())
    outcome, change = steps.step_without_gradient()
    stops = not left.any() and "tolerance_grad" in steps.optimizer.defaults
    if outcome == SKIPS and stateful and not stops:
        outcome = ADVANCES
    return outcome, change


def clear_and_step(variant: Variant, name: str, zeroing: Zeroing, device: torch.device) -> NextStep:
    """Clear both gradients after the first step, and take the second one."""
    given = ", ".join(f"{key}={value:g}" for key, value in variant.options.items()) or "default"
    case = NextStep(
        case=f"{variant.label} / {name}",
        expected="runs",
        outcome="does not run",
        verdict=Verdict.skipped,
        source=SOURCE,
        zeroing=name,
        optimizer=variant.name,
        implementation=variant.implementation,
        options=given,
    )
    try:
        steps = TwoSteps(variant, torch.float32, device)
    except Exception as error:
        return replace(case, message=first_line(error))
    zeroing.bind([steps.idle, steps.busy])()
    left = None if steps.idle.grad is None else steps.idle.grad.clone()
    expected, right = expect(variant, left, device)
    case = replace(case, expected=expected, outcome="error", verdict=Verdict.defect)
    try:
        outcome, change = steps.step_without_gradient()
    except Exception as error:
        return replace(case, message=first_line(error))
    same = bool((change - right).abs().max() <= SAME * right.abs().max())
    good = same and outcome == expected
    return replace(
        case,
        outcome=outcome,
        verdict=documented(good),
        message=None if same else f"moves by {largest(change):.3g} lr, not by {largest(right):.3g}",
        moved=largest(change),
    )


def largest(change: Tensor) -> float:
    """Return the largest size of an element."""
    return float(change.abs().max())


def observe(device: torch.device) -> Iterator[Observation]:
    """Ask every optimizer, in every implementation, after every zeroing."""
    zeroings: dict[str, Zeroing] = options("zeroing")
    chosen = [switched for variant in variants() for switched in with_options(variant)]
    cases = (
        (f"{variant.label} / {name}", partial(clear_and_step, variant, name, zeroing, device))
        for variant, (name, zeroing) in product(chosen, zeroings.items())
    )
    yield from observe_named(cases, device)


if __name__ == "__main__":
    main(observe)
