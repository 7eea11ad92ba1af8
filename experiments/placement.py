"""When may a parameter be updated without harm to the gradients of a training step?

A training step runs forward, then backward, then updates the parameters. Here the update is put at
every other place too, and the gradients of that same step are looked at. Backward needs some of
the tensors that forward saw: a later Linear saves its weight, to compute the gradient of what lies
before it. So the answer depends on the operation, on whether its input requires grad, and on how
the update writes. Each case looks at two gradients, the weight's own and the one upstream of it,
and compares them with gradients computed at float64 on fresh copies: at the *old* weights and at
the *new* ones.

Outcomes: `old`, `new`, `wrong` (neither), `error`, `none` (`.grad` is None), `zero`.

A case is judged by what PyTorch documents:

1. A gradient is right if it belongs to the weights that the forward pass used: the new ones after
   an update before forward, the old ones after every other.
2. Every in-place operation bumps its tensor's version counter. Backward compares the counter with
   that of the tensor it saved, and raises if it has moved; who sees no error can be sure of the
   gradients. So an update before the operation's backward may end in this error.
3. Writes through `.data`, or through NumPy, are not tracked, and a replayed CUDA graph runs its
   kernels without PyTorch's dispatch, which would count: before the operation's backward they make
   its gradients silently wrong, as documented.
4. Anything else is a defect: a wrong gradient without an error, a write that bumps no counter
   though it takes none of these ways, an update that changes `.grad`, an error of another kind.

Sources: PyTorch notes, "Autograd mechanics", on in-place correctness checks; release notes of
PyTorch 0.4, on `.data`; PyTorch notes, "CUDA semantics", on CUDA graphs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter

from gradbench.observing.alive import alive
from gradbench.observing.cases import documented, observe_named
from gradbench.observing.observation import Observation, Verdict, first_line
from gradbench.observing.outcome import ERROR, NEW, OLD, WRONG, Seen, combine
from gradbench.observing.script import main
from gradbench.observing.setting import Operation, Setting, settings_of
from gradbench.observing.step import Step
from gradbench.observing.threads import single_thread
from gradbench.observing.updates import (
    Trait,
    Update,
    optimizer_updates,
    strategy_updates,
    try_out,
)
from gradbench.rules.momentum import Momentum
from gradbench.strategies.base import Binding

LR = 0.5
"""Large, so that the gradients at the old and the new weights are far apart."""

TOLERANCE = 1e-5
"""Relative error below which two gradients are the same: far above the rounding of float32."""

TRACKED = "PyTorch notes, Autograd mechanics: In-place correctness checks"
UNTRACKED = "PyTorch 0.4 release notes: What about .data?"
REPLAYED = "PyTorch notes, CUDA semantics: CUDA Graphs"


# What is computed from the weight.


def linear_later(weight: Tensor, first_weight: Tensor) -> Tensor:
    """Apply two layers; upstream is the first layer's weight."""
    batch = torch.linspace(-1, 1, 20, device=weight.device, dtype=weight.dtype).view(5, 4)
    return F.linear(torch.tanh(F.linear(batch, first_weight)), weight)


def embedding(weight: Tensor, _: Tensor) -> Tensor:
    """Look rows up; the indices are integers, so nothing upstream can have a gradient."""
    return F.embedding(torch.tensor([0, 2, 2, 1], device=weight.device), weight)


OPERATIONS = (
    Operation("linear_first", (3, 4), (5, 4), lambda w, x: F.linear(x, w)),
    Operation("linear_later", (3, 6), (6, 4), linear_later),
    Operation("conv2d", (4, 3, 3, 3), (2, 3, 6, 6), lambda w, x: F.conv2d(x, w)),
    Operation("layer_norm", (4,), (5, 4), lambda w, x: F.layer_norm(x, (4,), w)),
    Operation("batch_norm", (3,), (5, 3), lambda w, x: F.batch_norm(x, None, None, w, None, True)),
    Operation("embedding", (4, 3), (0,), embedding),
    Operation("x * w", (4,), (5, 4), lambda w, x: x * w),
    Operation("x @ w", (4, 3), (5, 4), lambda w, x: x @ w),
    Operation("x + w", (4,), (5, 4), lambda w, x: x + w),
    Operation("x + exp(w)", (4,), (5, 4), lambda w, x: x + torch.exp(w)),
)

BACKENDS = {"aot_eager_decomp_partition": None, "inductor": ("linear_later", "x * w", "x + exp(w)")}
"""Backends of torch.compile and the operations they compile; None for all. The first stops short
of generating code: it decides what backward saves as the default backend does, in a tenth of the
time. That they decide alike is seen on three operations."""


# The places where an update can be.


def before_forward(step: Step) -> None:
    """Update, then forward and backward: as in every loop, seen from the following step."""
    step.update_from_earlier()
    step.backward(step.forward())


def between(step: Step) -> None:
    """Update after forward and before backward, which will use what forward has saved."""
    output = step.forward()
    step.update_from_earlier()
    step.backward(output)


def output_hook(step: Step) -> None:
    """Update during backward, just before the operation's own turn."""
    output = step.forward()
    output.register_hook(lambda _: step.update_from_earlier())
    step.backward(output)


def parameter_hook(step: Step) -> None:
    """Update during backward, once the weight's gradient is complete."""
    step.weight.register_post_accumulate_grad_hook(lambda _: step.update())
    step.backward(step.forward())


def after_backward(step: Step) -> None:
    """Forward, backward, update: the usual place."""
    step.backward(step.forward())
    step.update()


Placement = Callable[[Step], None]
PLACEMENTS: tuple[Placement, ...] = (
    before_forward,
    between,
    output_hook,
    parameter_hook,
    after_backward,
)


def through_numpy(weight: Parameter) -> Binding:
    """Write into the memory that a NumPy array shares with the weight; no strategy does."""

    def step() -> None:
        array = weight.detach().numpy()
        array -= LR * cast(Tensor, weight.grad).numpy()

    return Binding(step)


# What is seen.


@dataclass(frozen=True, kw_only=True)
class Placed(Observation):
    """What an update at a place does to the gradients of its step.

    Args:
        strategy: How the weight is updated: a strategy of gradbench, or an optimizer of
            torch.optim and its implementation.
        placement: Where in the training step.
        operation: What is computed from the weight.
        input_requires_grad: Whether the operation's input requires grad.
        mode: ``eager``, or the backend of ``torch.compile`` that runs forward and backward.
        weight_gradient: Outcome for the weight's own gradient.
        upstream_gradient: Outcome for the gradient upstream; None where there is none.
        weight_error: Relative error of the weight's gradient, to the right one.
        upstream_error: Relative error of the gradient upstream, to the right one.
        same_gradient: Whether ``.grad`` is the same object after the update.
        gradient_intact: Whether ``.grad`` has bitwise the same values after the update.
    """

    strategy: str | None = None
    placement: str | None = None
    operation: str | None = None
    input_requires_grad: bool | None = None
    mode: str | None = None
    weight_gradient: str | None = None
    upstream_gradient: str | None = None
    weight_error: float | None = None
    upstream_error: float | None = None
    same_gradient: bool | None = None
    gradient_intact: bool | None = None


def case_name(setting: Setting, update: Update, placement: Placement) -> str:
    """Such as ``data / between / x * w / plain input / eager``."""
    return f"{update.name} / {placement.__name__} / {setting.name}"


def observe_place(setting: Setting, update: Update, placement: Placement, trait: Trait) -> Placed:
    """Take one training step with the update at a place, and look at its gradients."""
    old = setting.gradients_at(setting.weight)
    step = Step(setting, update, earlier=old[0].float())
    error = None
    try:
        # TF32 rounds more than the tolerance. Unless it is said, cuDNN itself would be off as well.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            placement(step)
    except Exception as raised:
        error = f"{'update' if step.updating else 'backward'}: {first_line(raised)}"
    right = NEW if placement is before_forward else OLD
    gradients = [step.weight.grad, step.upstream.grad]
    new = setting.gradients_at(step.weight)
    seen = [Seen(*tensors, TOLERANCE) for tensors in zip(gradients, old, new, strict=False)]
    outcome = ERROR if error else combine([gradient.outcome for gradient in seen])
    expected, verdict = judge(placement, outcome, trait.untracked, error)
    same_gradient, gradient_intact = step.gradient_kept()
    message = error or evidence(seen, right, step.version_delta(), gradient_intact)
    if not error and not all(gradient.apart for gradient in seen):
        verdict, message = Verdict.skipped, "the update moves a gradient too little to tell"
    reported = [] if error else [(one.outcome, one.error(right)) for one in seen]
    own, above = (*reported, (None, None), (None, None))[:2]
    version_delta = step.version_delta()
    step.release()
    return Placed(
        case=case_name(setting, update, placement),
        expected=expected,
        outcome=outcome,
        verdict=verdict,
        message=message,
        version_delta=version_delta,
        source=REPLAYED if trait.replays else UNTRACKED if trait.untracked else TRACKED,
        strategy=update.name,
        placement=placement.__name__,
        operation=setting.operation.name,
        input_requires_grad=setting.input_requires_grad,
        mode=setting.mode,
        weight_gradient=own[0],
        upstream_gradient=above[0],
        weight_error=own[1],
        upstream_error=above[1],
        same_gradient=same_gradient,
        gradient_intact=gradient_intact,
    )


def judge(
    placement: Placement, outcome: str, untracked: bool, error: str | None
) -> tuple[str, Verdict]:
    """Say what the documentation lets one expect, and whether that was seen."""
    if placement not in (between, output_hook):
        expected = NEW if placement is before_forward else OLD
        good = outcome == expected
    elif untracked:
        expected = f"{OLD}, or silently {WRONG}"
        good = outcome in (OLD, NEW, WRONG)
    else:
        expected = f"{OLD} or {ERROR}"
        checked = error is not None and re.match("backward: .*in-?place", error) is not None
        good = outcome == OLD or checked
    return expected, documented(good)


def evidence(
    seen: list[Seen], right: str, version_delta: int, gradient_intact: bool | None
) -> str | None:
    """Say how far the gradients are from the right ones, and what may be why; None if right."""
    said = [
        f"the {name} gradient is off by {100 * gradient.error(right):.2g} %"
        for name, gradient in zip(("weight's", "upstream"), seen, strict=False)
        if gradient.outcome != right
    ]
    if said and version_delta == 0:
        said.append("the update bumped no version counter")
    if said and not gradient_intact:
        said.append("the update changed .grad")
    return "; ".join(said) or None


def skipped(reason: str, *parts: Update | Operation | Setting, **more: Any) -> Placed:
    """Say why all cases of an update, an operation or a setting cannot run."""
    return Placed(
        case=" / ".join(part.name for part in parts),
        expected="runs",
        outcome="does not run",
        verdict=Verdict.skipped,
        message=reason,
        source=TRACKED,
        **more,
    )


def observe_update(update: Update, settings: list[Setting]) -> Iterator[Observation]:
    """Put one update at every place, in all settings of an operation."""
    operation, device = settings[0].operation, settings[0].weight.device
    with alive(device, f"{update.name} / {operation.name}"):
        trait = try_out(update, settings[0].weight)
    if trait.refusal is not None:
        strategy, name = update.name, operation.name
        yield skipped(trait.refusal, update, operation, strategy=strategy, operation=name)
        return
    places = [parameter_hook] if update.in_backward else PLACEMENTS
    cases = (
        (case_name(setting, update, place), partial(observe_place, setting, update, place, trait))
        for setting, place in product(settings, places)
    )
    yield from observe_named(cases, device)


def observe(device: torch.device) -> Iterator[Observation]:
    """Put every update at every place, for every operation, input and mode."""
    # Plain SGD has no way to show what happens to .grad.
    rule = Momentum(lr=LR, momentum=0.9, nesterov=True)
    updates = [
        *strategy_updates(rule, device),
        Update("numpy", through_numpy),
        *optimizer_updates(LR),
    ]
    for update in updates:
        if update.unsupported is not None:
            yield skipped(update.unsupported, update, strategy=update.name)
    runnable = [update for update in updates if update.unsupported is None]
    # On CUDA the backward pass, and hooks with it, has a thread of its own, with another number of
    # threads: code compiled for the one would be compiled again for the other.
    with single_thread() if device.type == "cpu" else nullcontext():
        for operation in OPERATIONS:
            yield from observe_operation(operation, runnable, device)


def observe_operation(
    operation: Operation, updates: list[Update], device: torch.device
) -> Iterator[Observation]:
    """Put every update at every place in the settings of one operation."""
    chosen = {name: not only or operation.name in only for name, only in BACKENDS.items()}
    with alive(device, operation.name):
        settings = list(settings_of(operation, chosen, device))
    for setting in settings:
        if setting.unavailable is not None:
            yield skipped(setting.unavailable, setting, operation=operation.name)
    for update in updates:
        yield from observe_update(update, [s for s in settings if s.unavailable is None])


if __name__ == "__main__":
    main(observe)
