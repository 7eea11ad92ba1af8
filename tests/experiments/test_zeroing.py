"""What zeroings are said to do follows what PyTorch does, not what we know of it."""

from typing import Any

import pytest
import torch
from torch.nn import Parameter

from gradbench.observing import optimizers
from gradbench.observing.observation import Verdict
from gradbench.observing.optimizers import variants
from gradbench.observing.options import options
from tests.experiments.loading import load_experiment

left_behind = load_experiment("zeroing/left_behind.py")
next_step = load_experiment("zeroing/next_step.py")


def observed(experiment: Any, device: torch.device) -> dict[str, Any]:
    return {observation.case: observation for observation in experiment.observe(device)}


@pytest.fixture(scope="module")
def left(device: torch.device) -> dict[str, Any]:
    return observed(left_behind, device)


@pytest.fixture(scope="module")
def steps(device: torch.device) -> dict[str, Any]:
    return observed(next_step, device)


def test_every_zeroing_meets_every_kind_and_every_optimizer(
    left: dict[str, Any], steps: dict[str, Any]
) -> None:
    zeroings = set(options("zeroing"))
    assert {(c.zeroing, c.gradient_kind) for c in left.values()} == {
        (zeroing, kind.__name__) for zeroing in zeroings for kind in left_behind.KINDS
    }
    asked = {(c.zeroing, c.optimizer, c.implementation) for c in steps.values()}
    assert asked == {
        (zeroing, one.name, one.implementation) for zeroing in zeroings for one in variants()
    }
    for case in [*left.values(), *steps.values()]:
        assert case.verdict is not Verdict.failed, case
        assert case.source


@pytest.mark.parametrize(
    ("case", "outcome", "same", "memory", "version", "kept", "then"),
    [
        ("dense / set_to_none", "none", False, False, 0, "stale", 1),
        ("dense / set_to_zero", "zero", True, True, 1, "zero", 1),
        ("dense / accumulate", "stale", True, True, 0, "stale", 2),
        ("in_a_buffer / zero_in_place", "zero", True, True, 1, "zero", 1),
        ("sparse / foreach_zero", "zero", True, True, 1, "zero", 1),
        ("with_history / set_to_zero", "zero", True, True, 1, "zero", 1),
        ("missing / set_to_zero", "none", None, None, None, None, None),
    ],
)
def test_what_is_left(
    left: dict[str, Any],
    case: str,
    outcome: str,
    same: bool | None,
    memory: bool | None,
    version: int | None,
    kept: str | None,
    then: float | None,
) -> None:
    found = left[case]
    assert (found.outcome, found.verdict) == (outcome, Verdict.as_documented)
    assert (found.same_gradient, found.shares_memory) == (same, memory)
    assert (found.gradient_version_delta, found.kept_reference) == (version, kept)
    assert found.next_gradient == then


def test_zeros_by_hand_keep_a_history_that_zero_grad_drops(left: dict[str, Any]) -> None:
    assert "history" in left["with_history / zero_in_place"].message
    assert left["with_history / set_to_zero"].message is None


class Forgets:
    """Clears nothing, but says it does."""

    releases, accumulates = False, False

    def bind(self, parameters: list[Parameter]) -> Any:
        return lambda: None


class Replaces(Forgets):
    """Puts fresh zeros in place of the gradient."""

    def bind(self, parameters: list[Parameter]) -> Any:
        def clear() -> None:
            for parameter in parameters:
                parameter.grad = torch.zeros_like(parameter)

        return clear


class Raises(Forgets):
    """Cannot clear."""

    def bind(self, parameters: list[Parameter]) -> Any:
        raise RuntimeError("cannot clear")


def test_a_patched_zeroing_changes_the_verdict(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    patched = {"forgets": Forgets(), "replaces": Replaces(), "raises": Raises()}
    monkeypatch.setattr(left_behind, "options", lambda group: patched)
    found = observed(left_behind, device)
    forgets, replaces = found["dense / forgets"], found["dense / replaces"]
    assert (forgets.outcome, forgets.verdict) == ("stale", Verdict.defect)
    assert forgets.next_gradient == 2
    assert (replaces.outcome, replaces.verdict) == ("zero", Verdict.as_documented)
    assert (replaces.same_gradient, replaces.shares_memory) == (False, False)
    assert replaces.kept_reference == "stale"
    assert (found["dense / raises"].verdict, found["dense / raises"].message) == (
        Verdict.defect,
        "RuntimeError: cannot clear",
    )


@pytest.mark.parametrize(
    ("optimizer", "outcome"),
    [
        ("SGD for_loop", "skips"),
        ("SGD fused momentum=0.9", "moves"),
        ("SGD foreach weight_decay=0.1", "moves"),
        ("Adam for_loop", "moves"),
        ("AdamW fused weight_decay=0.0", "moves"),
        ("RMSprop for_loop", "advances"),
        ("RMSprop foreach momentum=0.9", "moves"),
        ("Adagrad for_loop", "advances"),
        ("Adadelta foreach", "advances"),
        ("Rprop for_loop", "advances"),
        ("NAdam for_loop", "moves"),
        ("ASGD foreach", "moves"),
    ],
)
def test_zero_moves_what_none_skips(steps: dict[str, Any], optimizer: str, outcome: str) -> None:
    zero, none = steps[f"{optimizer} / set_to_zero"], steps[f"{optimizer} / set_to_none"]
    assert (zero.outcome, zero.verdict) == (outcome, Verdict.as_documented)
    assert (zero.moved > 0) == (outcome == "moves")
    assert (none.outcome, none.moved, none.verdict) == ("skips", 0, Verdict.as_documented)
    assert steps[f"{optimizer} / accumulate"].outcome == "moves"


def test_what_cannot_run_says_why(steps: dict[str, Any]) -> None:
    found = steps["SparseAdam for_loop / set_to_none"]
    assert (found.verdict, "dense gradients" in found.message) == (Verdict.skipped, True)


class Zealous(torch.optim.SGD):
    """Decays the weights of parameters without a gradient too."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        super().step()
        with torch.no_grad():
            for parameter in self.param_groups[0]["params"]:
                parameter.mul_(0.99)


class Lazy(torch.optim.Adam):
    """Skips gradients of zero."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is not None and not parameter.grad.any():
                parameter.grad = None
        super().step()


class Undecayed(torch.optim.SGD):
    """Forgets weight decay in the foreach implementation."""

    def __init__(self, params: Any, lr: float, weight_decay: float = 0, foreach: bool = False):
        super().__init__(params, lr=lr, weight_decay=0 if foreach else weight_decay)


class Breaks(torch.optim.SGD):
    """Cannot take a parameter without a gradient."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for parameter in self.param_groups[0]["params"]:
            parameter.grad.abs()
        super().step()


PATCHED = [
    (Zealous, "Patched for_loop / set_to_none", "moves"),
    (Lazy, "Patched for_loop / set_to_zero", "skips"),
    (Undecayed, "Patched foreach weight_decay=0.1 / set_to_zero", "skips"),
    (Breaks, "Patched for_loop / set_to_none", "error"),
]


@pytest.mark.parametrize(("patched", "case", "outcome"), PATCHED)
def test_a_patched_optimizer_changes_the_verdict(
    patched: type[torch.optim.Optimizer],
    case: str,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
    device: torch.device,
) -> None:
    monkeypatch.setattr(optimizers, "_optimizers", lambda: {"Patched": patched})
    found = observed(next_step, device)[case]
    assert (found.outcome, found.verdict) == (outcome, Verdict.defect)
