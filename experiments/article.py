"""Does a weight update by hand make gradients zero, as an article says it does?

"Why are gradients zero during manual weight updates in PyTorch?" (2025-01-30) explains that
autograd cannot see an update made by hand, so that backward then leaves a zero gradient, or None.
It has three examples: an update between forward and backward, said to give zeros; an update after
backward, said to be the right way; and `optimizer.step()`, said to clear the gradients.

Here every claim is run, as it stands there and as a reader would take it home: for the last layer
of a deeper net, for the next step, for every optimizer. What a gradient should be is computed by
itself, on a copy of the net, at the weights before the update ("old") and after it ("new").
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradbench.observing.cases import Case, claim, documented, observe_each
from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.script import main
from gradbench.observing.writes import writes_of

ARTICLE = '"Why are gradients zero during manual weight updates in PyTorch?" (2025-01-30)'
loss_fn = nn.MSELoss()


# --- The nets, and what their gradients should be -------------------------------------------------


def single(device: torch.device) -> tuple[nn.Linear, Tensor, Tensor]:
    """Make the article's net and data: one Linear, one row."""
    torch.manual_seed(0)
    model = nn.Linear(10, 1).to(device)
    return model, torch.randn(1, 10).to(device), torch.randn(1, 1).to(device)


def deep(device: torch.device) -> tuple[nn.Sequential, Tensor, Tensor]:
    """Make the smallest net in which one layer's gradient passes through another."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 1)).to(device)
    return model, torch.randn(8, 10).to(device), torch.randn(8, 1).to(device)


def net_of(layers: int, device: torch.device) -> tuple[nn.Module, Tensor, Tensor]:
    """Make either net."""
    return single(device) if layers == 1 else deep(device)


def true_gradient(model: nn.Module, name: str, inputs: Tensor, target: Tensor) -> Tensor:
    """Compute a parameter's gradient at the weights of this moment, on a copy of the net."""
    twin = copy.deepcopy(model)
    loss = loss_fn(twin(inputs.detach()), target)
    return torch.autograd.grad(loss, twin.get_parameter(name))[0]


def gradient_of(parameter: Tensor) -> Tensor:
    """Return `.grad`, which must be there."""
    assert parameter.grad is not None
    return parameter.grad


def distance(tensor: Tensor, reference: Tensor) -> float:
    """Compute ‖t − r‖ / ‖r‖."""
    return float((tensor - reference).norm() / reference.norm())


def which(gradient: Tensor | None, old: Tensor, new: Tensor) -> tuple[str, str]:
    """Say which gradient this is, and how far it is from the two that it could be."""
    if gradient is None:
        return "None", ""
    if not gradient.any():
        return "zero", ""
    far = {"old": distance(gradient, old), "new": distance(gradient, new)}
    nearest = min(far, key=far.__getitem__)
    evidence = (
        f"norm {float(gradient.norm()):.3g}; off by {far['old']:.1g} from the gradient at the old "
        f"weights, by {far['new']:.1g} from that at the new"
    )
    return (nearest if far[nearest] < 1e-4 else "wrong"), evidence


def since_backward(gradient: Tensor | None, left: Tensor) -> str:
    """Say what has become of the gradient that backward left."""
    if gradient is None:
        return "None"
    now, then = (g.to_dense() if g.is_sparse else g for g in (gradient, left))
    return "untouched" if torch.equal(now, then) else "rewritten" if now.any() else "zero"


def first_line(error: Exception) -> str:
    """Quote an error, without the hint that follows it."""
    return f"{type(error).__name__}: {str(error).splitlines()[0].partition(' Hint:')[0]}"


def judge(case: str, expected: str, outcome: str, message: str, where: str) -> Observation:
    """Confirm a claim if what was seen is one of the things expected: "a or b"."""
    holds = outcome in expected.split(" or ")
    return Observation(
        case=case,
        expected=expected,
        outcome=outcome,
        verdict=claim(holds),
        message=message,
        source=f"{ARTICLE}, {where}",
    )


# --- Example 1: an update between forward and backward --------------------------------------------


def by_copy(weight: Tensor) -> None:
    """Update as example 1 does."""
    with torch.no_grad():
        weight.copy_(weight + 0.1)


def by_data(weight: Tensor) -> None:
    """Make the same update through `.data`, which autograd does not hear of."""
    weight.data.add_(0.1)


def example_1_as_printed(device: torch.device) -> Observation:
    """Run the article's code; the gradient it prints is said to be zeros."""
    model, input_tensor, target = single(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    old = true_gradient(model, "weight", input_tensor, target)

    output = model(input_tensor)
    loss = loss_fn(output, target)
    with torch.no_grad():
        model.weight.copy_(model.weight + 0.1)
    optimizer.zero_grad()
    loss.backward()

    new = true_gradient(model, "weight", input_tensor, target)
    outcome, evidence = which(model.weight.grad, old, new)
    return judge("example 1, as printed", "zero", outcome, evidence, "example 1")


def between(
    device: torch.device,
    case: str,
    *,
    layers: int = 1,
    updated: str = "weight",
    read: str | None = None,
    update: Callable[[Tensor], None] = by_copy,
    expected: str = "zero",
    zeros_before: bool = False,
    input_requires_grad: bool = False,
) -> Observation:
    """Update a parameter between forward and backward; read its gradient, or another's."""
    model, inputs, target = net_of(layers, device)
    name = read or updated
    parameter, reader = model.get_parameter(updated), model.get_parameter(name)
    old, version = true_gradient(model, name, inputs, target), writes_of(parameter)
    if zeros_before:
        reader.grad = torch.zeros_like(reader)

    loss = loss_fn(model(inputs.requires_grad_(input_requires_grad)), target)
    update(parameter)
    delta = writes_of(parameter) - version
    try:
        loss.backward()
    except RuntimeError as error:
        outcome, evidence = "error", first_line(error)
    else:
        outcome, evidence = which(reader.grad, old, true_gradient(model, name, inputs, target))
    seen = judge(case, expected, outcome, evidence, "explanation and example 1")
    return replace(seen, version_delta=delta)


last_of_two = partial(between, layers=2, updated="2.weight")
first_by_last = partial(last_of_two, read="0.weight", update=by_data)

EXAMPLE_1: list[Case] = [
    example_1_as_printed,
    partial(between, case="example 1, .grad zeros instead of None before", zeros_before=True),
    partial(between, case="example 1, the input requires grad", input_requires_grad=True),
    partial(between, case="example 1, first layer of two", layers=2, updated="0.weight"),
    partial(last_of_two, case="example 1, last layer of two"),
    partial(first_by_last, case="example 1, last layer of two, .data: first layer's gradient"),
    partial(between, case="backward takes the weights as before: one Linear", expected="old"),
    partial(
        first_by_last,
        case="backward takes the weights as before: last layer of two, .data",
        expected="old",
    ),
]


# --- The explanation: autograd loses the link to a weight updated by hand -------------------------


def next_step(device: torch.device, layers: int, update: Callable[[Tensor], None]) -> Observation:
    """Update by hand, then take the next forward and backward."""
    model, inputs, target = net_of(layers, device)
    name = "weight" if layers == 1 else "2.weight"
    old = true_gradient(model, name, inputs, target)
    update(model.get_parameter(name))
    loss_fn(model(inputs), target).backward()
    new = true_gradient(model, name, inputs, target)
    outcome, evidence = which(model.get_parameter(name).grad, old, new)
    net = "one Linear" if layers == 1 else "last layer of two"
    how = "no_grad" if update is by_copy else ".data"
    case = f"the step after an update by hand: {net}, {how}"
    return judge(case, "zero or None", outcome, evidence, "introduction")


def descend(device: torch.device, sign: float, steps: int = 50) -> tuple[list[float], float, float]:
    """Train by hand, w ← w + sign · 0.01 · g, beside `torch.optim.SGD`.

    Returns the losses, the smallest norm of a gradient, and how far apart the weights end.
    """
    model, inputs, target = deep(device)
    twin = copy.deepcopy(model)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.01)
    losses, norms = [], []
    for _ in range(steps):
        model.zero_grad()
        loss = loss_fn(model(inputs), target)
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p.add_(gradient_of(p), alpha=sign * 0.01)
                norms.append(float(gradient_of(p).norm()))
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss_fn(twin(inputs), target).backward()
        optimizer.step()
    pairs = zip(model.parameters(), twin.parameters(), strict=True)
    return losses, min(norms), max(distance(p.detach(), q.detach()) for p, q in pairs)


def training_by_hand(device: torch.device) -> Observation:
    """Train by hand; without gradients, nothing would be learnt."""
    losses, norm, apart = descend(device, -1.0)
    stuck = norm == 0 or losses[-1] >= losses[0]
    outcome = "nothing is learnt" if stuck else "the loss falls"
    message = (
        f"loss {losses[0]:.3g} → {losses[-1]:.3g}; smallest norm of a gradient {norm:.2g}; weights "
        f"off by {apart:.1g} from those of torch.optim.SGD"
    )
    case = "training by hand under no_grad, 50 steps"
    return judge(case, "nothing is learnt", outcome, message, "introduction")


def replaced(device: torch.device) -> Observation:
    """Put a new Parameter in place of the old one between forward and backward."""
    model, inputs, target = single(device)
    loss, parameter = loss_fn(model(inputs), target), model.weight
    model.weight = nn.Parameter(parameter.detach() + 0.1)
    loss.backward()
    outcome = "None" if model.weight.grad is None else "a gradient"
    norm = 0.0 if parameter.grad is None else float(parameter.grad.norm())
    message = f"the parameter that it replaced has a gradient of norm {norm:.3g}"
    case = "the link is lost: a new Parameter between forward and backward"
    return judge(case, "zero or None", outcome, message, "introduction")


def rebound(device: torch.device, grad_mode: bool) -> Observation:
    """Write `w = w - lr * w.grad` instead of updating in place, then take the next step."""
    _, inputs, _ = single(device)
    w = torch.ones(10, 1, device=device, requires_grad=True)
    (inputs @ w).sum().backward()
    assert w.grad is not None
    with torch.set_grad_enabled(grad_mode):
        w = w - 0.1 * w.grad
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            (inputs @ w).sum().backward()
            outcome = "None" if w.grad is None else "a gradient"
        message = "; ".join(f"UserWarning: {str(w.message).partition('. ')[0]}" for w in caught)
    except RuntimeError as error:
        outcome, message = "error", first_line(error)
    mode = "with grad mode on" if grad_mode else "under no_grad"
    case = f"the link is lost: w = w - lr * w.grad {mode}"
    return judge(case, "zero or None", outcome, message, "introduction")


def accumulates(device: torch.device) -> Observation:
    """Take backward twice."""
    model, inputs, target = single(device)
    once = true_gradient(model, "weight", inputs, target)
    for _ in range(2):
        loss_fn(model(inputs), target).backward()
    apart = distance(gradient_of(model.weight), 2 * once)
    outcome = "twice the gradient" if apart < 1e-5 else "something else"
    message = f"off by {apart:.1g} from twice the gradient"
    return judge(".grad accumulates", "twice the gradient", outcome, message, "explanation")


def every_tensor(device: torch.device) -> Observation:
    """Look for `.grad` on a tensor inside the graph."""
    model, inputs, target = single(device)
    output = model(inputs)
    loss_fn(output, target).backward()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome = "None" if output.grad is None else "a gradient"
    message = "; ".join(f"UserWarning: {str(w.message).partition('. ')[0]}" for w in caught)
    case = "backward fills every tensor's .grad: the output of a layer"
    return judge(case, "a gradient", outcome, message, "explanation")


def zeroed(device: torch.device, set_to_none: bool) -> Observation:
    """Look at `.grad` after `zero_grad`: this is where None and zeros do come from."""
    model, inputs, target = single(device)
    loss_fn(model(inputs), target).backward()
    if set_to_none:
        model.zero_grad()
    else:
        model.zero_grad(set_to_none=False)
    gradient = model.weight.grad
    outcome = "None" if gradient is None else "a gradient" if gradient.any() else "zero"
    expected, given = ("None", "") if set_to_none else ("zero", "set_to_none=False")
    return Observation(
        case=f"where None or zero comes from: zero_grad({given})",
        expected=expected,
        outcome=outcome,
        verdict=documented(outcome == expected),
        source="documentation of torch.nn.Module.zero_grad",
    )


EXPLANATION: list[Case] = [
    partial(next_step, layers=1, update=by_copy),
    partial(next_step, layers=1, update=by_data),
    partial(next_step, layers=2, update=by_copy),
    partial(next_step, layers=2, update=by_data),
    training_by_hand,
    replaced,
    partial(rebound, grad_mode=True),
    partial(rebound, grad_mode=False),
    accumulates,
    every_tensor,
    partial(zeroed, set_to_none=True),
    partial(zeroed, set_to_none=False),
]


# --- "no_grad prevents the gradient" --------------------------------------------------------------


def not_recorded(device: torch.device) -> Observation:
    """Look at the parameter after an update under `no_grad`."""
    weight = single(device)[0].weight
    by_copy(weight)
    outcome = "not in the graph" if weight.grad_fn is None and weight.is_leaf else "in the graph"
    message = f"is_leaf {weight.is_leaf}, requires_grad still {weight.requires_grad}"
    case = "no_grad keeps the update itself out of the graph"
    return judge(case, "not in the graph", outcome, message, "example 1")


def without_no_grad(device: torch.device) -> Observation:
    """Leave `no_grad` out of example 1: if it is to blame, the update is now tracked."""
    model, inputs, target = single(device)
    loss = loss_fn(model(inputs), target)
    try:
        model.weight.copy_(model.weight + 0.1)
        loss.backward()
        outcome, message = "tracked", ""
    except RuntimeError as error:
        outcome, message = "error", first_line(error)
    case = "no_grad is to blame: example 1 without it"
    return judge(case, "tracked", outcome, message, "example 1")


def around_backward(device: torch.device) -> Observation:
    """Take backward inside `no_grad`, of a loss computed outside."""
    model, inputs, target = single(device)
    truth = true_gradient(model, "weight", inputs, target)
    loss = loss_fn(model(inputs), target)
    with torch.no_grad():
        loss.backward()
    outcome, _ = which(model.weight.grad, truth, truth)
    outcome = "right" if outcome in ("old", "new") else outcome
    apart = float("nan") if model.weight.grad is None else distance(model.weight.grad, truth)
    case = "no_grad prevents the gradient: around backward"
    return judge(case, "zero or None", outcome, f"off by {apart:.1g}", "example 1")


def around_forward(device: torch.device) -> Observation:
    """Take forward inside `no_grad`."""
    model, inputs, target = single(device)
    with torch.no_grad():
        loss = loss_fn(model(inputs), target)
    message = ""
    try:
        loss.backward()
    except RuntimeError as error:
        message = first_line(error)
    outcome = "None" if model.weight.grad is None else "a gradient"
    case = "no_grad prevents the gradient: around forward"
    return judge(case, "zero or None", outcome, message, "example 1")


NO_GRAD: list[Case] = [not_recorded, without_no_grad, around_backward, around_forward]


# --- Example 2: an update after backward ----------------------------------------------------------


def example_2_as_printed(device: torch.device) -> Observation:
    """Run the article's code; the gradient it prints is said to be that of the backward pass."""
    model, input_tensor, target = single(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    output = model(input_tensor)
    loss = loss_fn(output, target)
    optimizer.zero_grad()
    loss.backward()
    left = gradient_of(model.weight).clone()
    with torch.no_grad():
        model.weight += gradient_of(model.weight) * 0.01

    outcome = since_backward(model.weight.grad, left)
    case = "example 2, as printed: the gradient after the update"
    return judge(case, "untouched", outcome, f"norm {float(left.norm()):.3g}", "example 2")


def example_2_sign(device: torch.device) -> Observation:
    """Compare the loss before and after example 2's update, and with a minus in its place."""
    losses = {}
    for sign in (0, 1, -1):
        model, input_tensor, target = single(device)
        loss_fn(model(input_tensor), target).backward()
        with torch.no_grad():
            model.weight += sign * gradient_of(model.weight) * 0.01
        losses[sign] = float(loss_fn(model(input_tensor), target).detach())
    outcome = "the loss falls" if losses[1] < losses[0] else "the loss rises"
    message = f"loss {losses[0]:.3g} → {losses[1]:.3g}; with a minus sign → {losses[-1]:.3g}"
    case = "example 2 adjusts the weights the right way"
    return judge(case, "the loss falls", outcome, message, "example 2")


def example_2_repeated(device: torch.device) -> Observation:
    """Train with example 2's sign."""
    up, down = descend(device, +1.0)[0], descend(device, -1.0)[0]
    outcome = "the loss falls" if up[-1] < up[0] else "the loss rises"
    message = f"loss {up[0]:.3g} → {up[-1]:.3g}; with a minus sign → {down[-1]:.3g}"
    case = "example 2 as a training loop, two layers, 50 steps"
    return judge(case, "the loss falls", outcome, message, "example 2")


EXAMPLE_2: list[Case] = [example_2_as_printed, example_2_sign, example_2_repeated]


# --- Example 3: "optimizer.step() clears the gradients" -------------------------------------------


def example_3_as_printed(device: torch.device) -> Observation:
    """Run the article's code; the gradient it prints is said to be zero."""
    model, input_tensor, target = single(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    output = model(input_tensor)
    loss = loss_fn(output, target)
    optimizer.zero_grad()
    loss.backward()
    left = gradient_of(model.weight).clone()
    optimizer.step()

    outcome = since_backward(model.weight.grad, left)
    after = "none" if model.weight.grad is None else f"{float(model.weight.grad.norm()):.3g}"
    message = f"norm {float(left.norm()):.3g} before step(), {after} after"
    return judge("example 3, as printed", "zero or None", outcome, message, "example 3")


def one_step(device: torch.device, kind: type[Optimizer], options: dict[str, Any]) -> str:
    """Take a step with any optimizer and say what has become of the gradient."""
    torch.manual_seed(0)
    sparse = kind.__name__ == "SparseAdam"  # takes sparse gradients, and only these
    table = nn.Embedding(6, 4, sparse=sparse, device=device)
    left = torch.empty(0)

    def closure() -> Tensor:  # LBFGS wants one; the others call it once
        nonlocal left
        optimizer.zero_grad()
        loss: Tensor = table(torch.tensor([1, 3, 3], device=device)).square().sum()
        loss.backward()
        left = gradient_of(table.weight).clone()
        return loss

    optimizer: Any = kind(table.parameters(), lr=0.01, **options)  # type: ignore[call-arg]
    optimizer.step(closure)
    return since_backward(table.weight.grad, left)


def step_clears(device: torch.device, name: str) -> Observation:
    """Step with an optimizer of torch.optim, in every implementation it has, and read `.grad`."""
    kind: type[Optimizer] = getattr(torch.optim, name)
    known = inspect.signature(kind).parameters
    rules: list[dict[str, Any]] = [{}]
    if name == "SGD":
        rules.append({"nesterov": True, "momentum": 0.9})
    ways: list[dict[str, Any]] = [
        {},
        *({way: True} for way in ("foreach", "fused") if way in known),
    ]
    seen: dict[str, list[str]] = {}
    for options in (rule | way for rule in rules for way in ways):
        label = " ".join(f"{key}={value}" for key, value in options.items()) or "default"
        try:
            outcome = one_step(device, kind, options)
        except (RuntimeError, NotImplementedError) as error:  # no such kernel here
            outcome = f"not available, {first_line(error)}"
        seen.setdefault(outcome, []).append(label)
    ran = [outcome for outcome in seen if not outcome.startswith("not available")]
    message = "; ".join(f"{outcome}: {', '.join(ways)}" for outcome, ways in seen.items())
    case = f"optimizer.step() clears the gradients: {name}"
    observation = judge(case, "zero or None", " and ".join(ran), message, "example 3")
    return observation if ran else replace(observation, verdict=Verdict.skipped)


def step_is_safer(device: torch.device) -> Observation:
    """Do by hand what `SGD.step()` does, and look for a difference that autograd could see."""
    traces, weights = {}, {}
    for how in ("by hand", "step()"):
        model, inputs, target = deep(device)
        weight = model.get_parameter("2.weight")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        loss_fn(model(inputs), target).backward()
        version, left = writes_of(weight), gradient_of(weight).clone()
        if how == "step()":
            optimizer.step()
        else:
            with torch.no_grad():
                for p in model.parameters():
                    p.sub_(gradient_of(p), alpha=0.01)
        gradient = since_backward(weight.grad, left)
        traces[how] = (writes_of(weight) - version, weight.is_leaf, weight.requires_grad, gradient)
        weights[how] = weight.detach()
    apart = distance(weights["by hand"], weights["step()"])
    outcome = "a difference" if len(set(traces.values())) > 1 or apart > 1e-6 else "no difference"
    facts = "; ".join(f"{how}: {trace}" for how, trace in traces.items())
    message = f"weights {apart:.1g} apart; version change, leaf, requires_grad, gradient: {facts}"
    case = "step() keeps the integrity that an update by hand breaks"
    return judge(case, "a difference", outcome, message, "example 3")


def step_between(device: torch.device) -> Observation:
    """Put `optimizer.step()` where example 1 updates: between forward and backward."""
    model, inputs, target = deep(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss_fn(model(inputs), target).backward()
    loss = loss_fn(model(inputs), target)
    optimizer.step()
    optimizer.zero_grad()
    try:
        loss.backward()
        outcome, message = "no issue", ""
    except RuntimeError as error:
        outcome, message = "error", first_line(error)
    case = "step() avoids the issue: in place of example 1's update, two layers"
    return judge(case, "no issue", outcome, message, "example 3")


OPTIMIZERS = sorted(
    name
    for name, kind in vars(torch.optim).items()
    if inspect.isclass(kind) and issubclass(kind, Optimizer) and kind is not Optimizer
)
EXAMPLE_3: list[Case] = [
    example_3_as_printed,
    *(partial(step_clears, name=name) for name in OPTIMIZERS),
    step_is_safer,
    step_between,
]


def observe(device: torch.device) -> Iterator[Observation]:
    """Put every claim of the article to the test."""
    cases = [*EXAMPLE_1, *EXPLANATION, *NO_GRAD, *EXAMPLE_2, *EXAMPLE_3]
    yield from observe_each(cases, device)


if __name__ == "__main__":
    main(observe)
