"""The article's verdicts follow what PyTorch does, not what we know of it."""

from typing import Any

import pytest
import torch

from gradbench.observing.observation import Observation, Verdict
from tests.conftest import CPU, CUDA_ONLY
from tests.experiments.loading import load_experiment

article = load_experiment("article.py")


def by_case(device: torch.device) -> dict[str, Observation]:
    return {observation.case: observation for observation in article.observe(device)}


@pytest.fixture(scope="module")
def seen(device: torch.device) -> dict[str, Observation]:
    return by_case(device)


def test_every_case_has_a_verdict_evidence_and_a_source(
    seen: dict[str, Observation], device: torch.device
) -> None:
    observations = list(article.observe(device))
    assert len(observations) == len(seen) >= 40
    assert not [o for o in observations if o.verdict in (Verdict.failed, Verdict.skipped)]
    for o in observations:
        assert o.source
        assert o.message or o.outcome in ("None", "zero"), o.case


@pytest.mark.parametrize(
    ("case", "outcome", "verdict"),
    [
        ("example 1, as printed", "old", "refuted"),
        ("example 1, .grad zeros instead of None before", "old", "refuted"),
        ("example 1, the input requires grad", "error", "refuted"),
        ("example 1, last layer of two", "error", "refuted"),
        ("example 1, last layer of two, .data: first layer's gradient", "wrong", "refuted"),
        ("backward takes the weights as before: one Linear", "old", "confirmed"),
        ("the step after an update by hand: last layer of two, .data", "new", "refuted"),
        ("the link is lost: a new Parameter between forward and backward", "None", "confirmed"),
        ("the link is lost: w = w - lr * w.grad under no_grad", "error", "refuted"),
        ("no_grad prevents the gradient: around backward", "right", "refuted"),
        ("no_grad prevents the gradient: around forward", "None", "confirmed"),
        ("example 2, as printed: the gradient after the update", "untouched", "confirmed"),
        ("example 2 adjusts the weights the right way", "the loss rises", "refuted"),
        ("example 3, as printed", "untouched", "refuted"),
        ("where None or zero comes from: zero_grad()", "None", "as_documented"),
    ],
)
def test_what_this_pytorch_does(
    seen: dict[str, Observation], case: str, outcome: str, verdict: str
) -> None:
    assert (seen[case].outcome, seen[case].verdict.value) == (outcome, verdict)


def test_every_optimizer_of_torch_optim_steps(seen: dict[str, Observation]) -> None:
    stepped = {case.rpartition(": ")[2] for case in seen if case.startswith("optimizer.step()")}
    assert {"SGD", "AdamW", "LBFGS", "SparseAdam"} <= stepped == set(article.OPTIMIZERS)


def test_an_sgd_that_clears_gradients_confirms_example_3(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    step = torch.optim.SGD.step

    def clearing(self: Any, closure: Any = None) -> Any:
        result = step(self, closure)
        self.zero_grad(set_to_none=False)
        return result

    monkeypatch.setattr(torch.optim.SGD, "step", clearing)
    seen = by_case(device)
    assert seen["example 3, as printed"].verdict is Verdict.confirmed
    assert seen["optimizer.step() clears the gradients: SGD"].outcome == "zero"
    assert seen["optimizer.step() clears the gradients: SGD"].verdict is Verdict.confirmed
    assert seen["optimizer.step() clears the gradients: Adam"].verdict is Verdict.refuted
    assert (
        seen["step() keeps the integrity that an update by hand breaks"].outcome == "a difference"
    )


def test_a_backward_that_loses_gradients_confirms_example_1(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    backward = torch.Tensor.backward

    def losing(self: torch.Tensor, *given: Any, **options: Any) -> None:
        leaves = [n.variable for n in _leaves(self)]
        backward(self, *given, **options)
        for leaf in leaves:
            leaf.grad.zero_()

    monkeypatch.setattr(torch.Tensor, "backward", losing)
    seen = by_case(device)
    assert seen["example 1, as printed"].outcome == "zero"
    assert seen["example 1, as printed"].verdict is Verdict.confirmed
    assert (
        seen["the step after an update by hand: one Linear, no_grad"].verdict is Verdict.confirmed
    )
    assert seen["training by hand under no_grad, 50 steps"].verdict is Verdict.confirmed
    assert seen[".grad accumulates"].verdict is Verdict.refuted


def _leaves(loss: torch.Tensor) -> list[Any]:
    """Find the nodes that accumulate into leaves."""
    found, pending = [], [loss.grad_fn]
    while pending:
        node: Any = pending.pop()
        if node is not None:
            found += [node] if hasattr(node, "variable") else []
            pending += [following for following, _ in node.next_functions]
    return found


def test_gradients_of_the_other_sign_confirm_example_2(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    monkeypatch.setattr(article, "gradient_of", lambda parameter: -parameter.grad)
    seen = by_case(device)
    assert seen["example 2 adjusts the weights the right way"].verdict is Verdict.confirmed
    assert seen["example 2 as a training loop, two layers, 50 steps"].verdict is Verdict.confirmed


def test_a_case_that_breaks_loses_no_other(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    monkeypatch.setattr(article, "since_backward", lambda *_: 1 / 0)
    seen = by_case(device)
    assert seen["example_3_as_printed"].verdict is Verdict.failed
    assert seen["example 1, as printed"].verdict is Verdict.refuted


def test_global_state_is_left_as_it_was(device: torch.device) -> None:
    before = (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads())
    list(article.observe(device))
    after = (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads())
    assert after == before


@pytest.mark.parametrize("device", CUDA_ONLY, indirect=True)
def test_verdicts_on_cuda_are_those_of_the_cpu(seen: dict[str, Observation]) -> None:
    expected = {case: observation.verdict for case, observation in by_case(CPU).items()}
    assert {case: observation.verdict for case, observation in seen.items()} == expected
