"""What do gradient statistics cost per training step, when they are left on?

Watching the norm of every gradient is good advice, and `p.grad.norm().item()` in a loop is how it
is mostly written. Each `.item()` waits for the device and makes a Python number of one element, so
a net of many small tensors may pay for being watched. PyTorch can also take all norms in one call,
`torch._foreach_norm`, and bring them over in one transfer.

Here each way of watching is held against the true norms first, then timed: by itself, and as part
of a step (forward, backward, SGD), for a net of many small tensors and one of few large ones. All
are timed in the same rounds, in random order, and the ratios are paired by round.

Sources: "Avoid unnecessary CPU-GPU synchronization" in PyTorch's Performance Tuning Guide, and the
documentation of torch.nn.utils.get_total_norm, whose `foreach` is the same idea.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.paired import Calls, Paired, time_paired
from gradbench.observing.script import main
from gradbench.statistics.intervals import Interval
from gradbench.terminal.figures import format_seconds
from gradbench.verify.gradients import gradient_statistics

GUIDE = "PyTorch, Performance Tuning Guide: Avoid unnecessary CPU-GPU synchronization"
LITTLE = 0.05
"""A share of the step that most people would not mind."""


@dataclass(frozen=True, kw_only=True)
class Cost(Observation):
    """What a way of watching costs; intervals are 95 %.

    Args:
        tensors: Gradients watched.
        cost_s: Time of the statistics by themselves, in seconds.
        speedup: Time of one `.item()` per norm over this time.
        step_share: What the statistics add to a step, over the bare step.
    """

    tensors: int
    cost_s: float | None = None
    cost_s_low: float | None = None
    cost_s_high: float | None = None
    speedup: float | None = None
    speedup_low: float | None = None
    speedup_high: float | None = None
    step_share: float | None = None
    step_share_low: float | None = None
    step_share_high: float | None = None


# --- Ways of watching: from gradients to their norms, and more ------------------------------------


def item_per_norm(gradients: list[Tensor]) -> list[float]:
    """Take each norm and bring it over by itself."""
    return [g.norm().item() for g in gradients]


def one_transfer(gradients: list[Tensor]) -> list[float]:
    """Take each norm by itself, and bring all over at once."""
    norms: list[float] = torch.stack([g.norm() for g in gradients]).tolist()
    return norms


def foreach(gradients: list[Tensor]) -> list[float]:
    """Take all norms in one call, and bring them over at once."""
    norms: list[float] = torch.stack(torch._foreach_norm(gradients)).tolist()
    return norms


def foreach_kept(gradients: list[Tensor]) -> Tensor:
    """Take all norms in one call, and leave them on the device, to be looked at later."""
    return torch.stack(torch._foreach_norm(gradients))


def six_items(gradients: list[Tensor]) -> list[float]:
    """Bring six statistics of each gradient over, one by one; return the norms."""
    return [
        (
            g.norm().item(),
            g.mean().item(),
            g.std(correction=0).item(),
            g.min().item(),
            g.max().item(),
            (g == 0).float().mean().item(),
        )[0]
        for g in gradients
    ]


def all_statistics(gradients: list[Tensor]) -> list[float]:
    """Take the statistics that gradbench stores in its table of gradients; return the norms."""
    return [gradient_statistics(g).norm for g in gradients]


Watch = Callable[[list[Tensor]], "list[float] | Tensor"]
WAYS: dict[str, Watch] = {
    "norm().item() per tensor": item_per_norm,
    "norm() per tensor, one tolist()": one_transfer,
    "_foreach_norm, one tolist()": foreach,
    "_foreach_norm, left on the device": foreach_kept,
    "six statistics, item() for each": six_items,
    "gradbench.verify.gradients.gradient_statistics": all_statistics,
}
BASELINE = next(iter(WAYS))


# --- What is watched ------------------------------------------------------------------------------


class Residual(nn.Linear):
    """A small layer that adds to its input, so that a hundred of them can be stacked."""

    def forward(self, x: Tensor) -> Tensor:
        """Add a tenth of tanh(Wx + b) to x."""
        return x + torch.tanh(super().forward(x)) / 10


def many_small() -> nn.Module:
    """A hundred layers of 16×16: the cost of each call decides."""
    return nn.Sequential(*(Residual(16, 16) for _ in range(100)))


def few_large() -> nn.Module:
    """Four layers of 512×512: the cost of reading the gradients decides."""
    return nn.Sequential(*(Residual(512, 512) for _ in range(4)))


NETS = {"200 small tensors": many_small, "8 large tensors": few_large}


@dataclass
class Training:
    """A net that can take a step, and has gradients to look at afterwards."""

    model: nn.Module
    inputs: Tensor

    @classmethod
    def start(cls, build: Callable[[], nn.Module], device: torch.device) -> Training:
        """Build the net and take one step."""
        torch.manual_seed(0)
        model = build().to(device)
        width = next(model.parameters()).shape[1]
        training = cls(model, torch.randn(32, width).to(device))
        training.step()
        return training

    def step(self) -> None:
        """Take a step: zeroing, forward, backward, SGD by hand; the gradients stay."""
        self.model.zero_grad()
        self.model(self.inputs).square().mean().backward()
        with torch.no_grad():
            torch._foreach_add_(list(self.model.parameters()), self.gradients(), alpha=-1e-3)

    def gradients(self) -> list[Tensor]:
        """Return the gradients of all parameters."""
        return [p.grad for p in self.model.parameters() if p.grad is not None]


def error_of(watch: Watch, gradients: list[Tensor]) -> float:
    """Compute the largest relative error of the norms that a way sees, against float64."""
    seen = torch.as_tensor(watch(gradients), dtype=torch.float64).cpu()
    truth = torch.stack([g.double().norm() for g in gradients]).cpu()
    return float(((seen - truth).abs() / truth).max())


# --- Watching, timed ------------------------------------------------------------------------------


def time_net(build: Callable[[], nn.Module], device: torch.device, budget_s: float) -> Paired:
    """Time a bare step, each way by itself, and a step with each."""

    def calls() -> Calls:
        training = Training.start(build, device)

        def watched(watch: Watch) -> Callable[[], object]:
            def call() -> None:
                training.step()
                watch(training.gradients())

            return call

        alone: Calls = {
            name: (lambda watch=watch: watch(training.gradients()))  # type: ignore[misc]
            for name, watch in WAYS.items()
        }
        stepped: Calls = {f"step + {name}": watched(watch) for name, watch in WAYS.items()}
        return {"step": training.step, **alone, **stepped}

    elements = sum(p.numel() for p in build().parameters())
    return time_paired(device, calls, elements=elements, budget_s=budget_s)


def judge(share: Interval) -> tuple[str, Verdict]:
    """Confirm that the cost is little if the whole interval says so."""
    if share.high < LITTLE:
        return f"under {LITTLE:.0%}", Verdict.confirmed
    if share.low > LITTLE:
        return f"over {LITTLE:.0%}", Verdict.refuted
    return "undecided", Verdict.skipped


def observe_net(net: str, device: torch.device, budget_s: float) -> Iterator[Observation]:
    """Watch one net in every way."""
    gradients = Training.start(NETS[net], device).gradients()
    errors = {name: error_of(watch, gradients) for name, watch in WAYS.items()}
    timed = time_net(NETS[net], device, budget_s)
    step_s = timed.seconds("step").estimate
    for name in WAYS:
        ratio = timed.ratio(f"step + {name}", "step")
        share = Interval(ratio.estimate - 1, ratio.low - 1, ratio.high - 1)
        cost = timed.seconds(name)
        speedup = Interval(1, 1, 1) if name == BASELINE else timed.ratio(BASELINE, name)
        outcome, verdict = judge(share)
        if not errors[name] < 1e-4:
            outcome, verdict = "wrong norms", Verdict.defect
        yield Cost(
            case=f"{net}: {name}",
            expected=f"under {LITTLE:.0%} of the step",
            outcome=outcome,
            verdict=verdict,
            message=(
                f"adds {share.estimate:.1%} ({share.low:.1%} to {share.high:.1%}) to a step of "
                f"{format_seconds(step_s)}; {format_seconds(cost.estimate)} by itself; norms off "
                f"by {errors[name]:.1g} at most" + ("; the machine was busy" * timed.contended)
            ),
            source="A threshold of this experiment: the statistics are no more than a nuisance",
            tensors=len(gradients),
            cost_s=cost.estimate,
            cost_s_low=cost.low,
            cost_s_high=cost.high,
            speedup=speedup.estimate,
            speedup_low=speedup.low,
            speedup_high=speedup.high,
            step_share=share.estimate,
            step_share_low=share.low,
            step_share_high=share.high,
        )
    yield fused_is_cheaper(net, timed, len(gradients))


def fused_is_cheaper(net: str, timed: Paired, tensors: int) -> Observation:
    """Compare all norms in one call with one `.item()` per norm."""
    ratio = timed.ratio(BASELINE, "_foreach_norm, one tolist()")
    floor = timed.noise_floor or 0.0
    if ratio.low > 1 + floor:
        outcome, verdict = "cheaper", Verdict.confirmed
    elif ratio.high < 1 + LITTLE:
        outcome, verdict = "not cheaper", Verdict.refuted
    else:
        outcome, verdict = "undecided", Verdict.skipped
    return Cost(
        case=f"{net}: all norms in one call are cheaper than item() for each",
        expected="cheaper",
        outcome=outcome,
        verdict=verdict,
        message=f"{ratio.estimate:.2f} times as fast ({ratio.low:.2f} to {ratio.high:.2f}; noise "
        f"floor {floor:.1%})",
        source=GUIDE,
        tensors=tensors,
        speedup=ratio.estimate,
        speedup_low=ratio.low,
        speedup_high=ratio.high,
    )


def observe(device: torch.device, budget_s: float = 3.0) -> Iterator[Observation]:
    """Watch both nets, `budget_s` seconds each."""
    for net in NETS:
        yield from observe_net(net, device, budget_s)


if __name__ == "__main__":
    main(observe)
