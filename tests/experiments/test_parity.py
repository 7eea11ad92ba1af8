from collections.abc import Iterator
from importlib import import_module

import pytest
import torch

from gradbench.observing.observation import Observation, Verdict
from gradbench.parity.catalogue import COMPILED, Entry, catalogue, entry
from gradbench.parity.hunt import cases
from gradbench.parity.reproduction import shows
from tests.experiments.loading import load_experiment
from tests.parity.toy import Toy

LAYOUTS = ("matrices", "no gradient")
parity = load_experiment("parity.py")


@pytest.fixture(autouse=True)
def one_small_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the experiment find one optimizer, and try few cases of it."""

    def few(entry: Entry, thorough: bool = False) -> Iterator[object]:
        for case in cases(entry, thorough):
            if case.layout in LAYOUTS and case.implementation != COMPILED:
                yield case

    monkeypatch.setattr(torch.optim, "Toy", Toy, raising=False)
    monkeypatch.setattr(parity, "catalogue", lambda: [entry(Toy)])
    monkeypatch.setattr("gradbench.parity.hunt.cases", few)


def observed(device: torch.device) -> dict[str, Observation]:
    return {observation.case: observation for observation in parity.observe(device)}


def test_a_clean_optimizer_is_as_documented(device: torch.device) -> None:
    seen = observed(device)
    assert seen["Toy, foreach, float32"].cases_agreeing > 0  # type: ignore[attr-defined]
    assert {o.verdict for o in seen.values()} == {Verdict.as_documented}


def test_a_patched_optimizer_changes_the_verdict(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    monkeypatch.setattr(Toy, "flaw", "changes the gradient")
    seen = observed(device)
    assert seen["Toy, foreach, float32"].verdict is Verdict.defect
    assert seen["Toy, for_loop, float32"].verdict is Verdict.as_documented
    (finding,) = (o for o in seen.values() if getattr(o, "check", None) == "gradient")
    assert finding.verdict is Verdict.defect
    assert finding.check == "gradient"  # type: ignore[attr-defined]
    assert finding.options == "momentum=0.125"  # type: ignore[attr-defined]
    assert "does not" not in (finding.message or "")


def test_an_optimizer_that_breaks_the_hunt_loses_no_other(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    def hunt(entry: Entry, device: torch.device, thorough: bool) -> object:
        raise OSError("gone")

    monkeypatch.setattr(parity, "hunt", hunt)
    (row,) = observed(device).values()
    assert row.verdict is Verdict.failed
    assert "gone" in (row.message or "")


def test_optimizers_are_those_of_torch() -> None:
    names = {found.name for found in catalogue()}
    assert {"SGD", "Adam", "AdamW", "LBFGS", "SparseAdam"} <= names
    assert "Optimizer" not in names


def sgd_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give PyTorch a nesterov foreach step that leaves gradients alone."""
    module = import_module("torch.optim.sgd")
    real = module._multi_tensor_sgd

    def kind(params: list[torch.Tensor], grads: list[torch.Tensor], *rest: object, **how: object):  # type: ignore[no-untyped-def]
        return real(params, [grad.clone() for grad in grads], *rest, **how)

    monkeypatch.setattr(module, "_multi_tensor_sgd", kind)


def test_the_verdict_on_torch_follows_torch(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    monkeypatch.setattr(parity, "catalogue", lambda: [entry(torch.optim.SGD)])
    monkeypatch.setattr(
        "gradbench.parity.hunt.cases",
        lambda e, _: (
            c
            for c in cases(e)
            if c.layout == "matrices" and c.implementation == "foreach"
            if c.dtype == torch.float32
        ),
    )

    def rewritten() -> list[Observation]:
        return [o for o in observed(device).values() if getattr(o, "check", None) == "gradient"]

    before = rewritten()
    sgd_without(monkeypatch)
    assert rewritten() == []
    for finding in before:  # where torch has the defect; none once it is mended
        assert finding.options == "momentum=0.125, nesterov=True"  # type: ignore[attr-defined]
        text = finding.reproduction  # type: ignore[attr-defined]
        assert not shows(text, type("F", (), {"check": "gradient", "kind": ""})())
        monkeypatch.undo()
        assert shows(text, type("F", (), {"check": "gradient", "kind": ""})())
