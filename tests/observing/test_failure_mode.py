"""Verdicts follow from what is seen, whatever the mode says of itself."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from gradbench.observing.failure_mode import FailureMode, FailureObservation, observe_modes
from gradbench.observing.observation import Verdict
from gradbench.observing.pasteable import pasteable
from gradbench.observing.symptom import State
from tests.conftest import CPU


def unzeroed(device: torch.device) -> Mapping[str, Any]:
    """Backward adds."""
    w = torch.ones(1, device=device, requires_grad=True)
    for _ in range(2):
        w.sum().backward()
    return {"got": w.grad, "right": 1.0 * torch.ones(1)}


def zeroed(device: torch.device) -> Mapping[str, Any]:
    """Clear it."""
    w = torch.ones(1, device=device, requires_grad=True)
    w.sum().backward()
    return {"got": w.grad, "right": torch.ones(1)}


def refusing(device: torch.device) -> Mapping[str, Any]:
    """It says no."""
    raise RuntimeError("no, thank you")


def agreeing(device: torch.device) -> None:
    """It raised once."""


def lacking(device: torch.device) -> Mapping[str, Any]:
    """It is not there."""
    raise NotImplementedError("no such kernel")


def using_a_neighbour(device: torch.device) -> Mapping[str, Any]:
    """A name of this file is not pasted along."""
    return zeroed(device)


MODE = FailureMode(
    title="No zeroing", broken=unzeroed, fix=zeroed, twin=zeroed, state=State.doubled, source="here"
)


def observe(mode: FailureMode, device: torch.device) -> dict[str, FailureObservation]:
    seen: dict[str, FailureObservation] = {}
    for observation in observe_modes([mode], device):
        assert isinstance(observation, FailureObservation)
        seen[observation.kind] = observation
    return seen


def verdicts(mode: FailureMode, device: torch.device) -> list[str]:
    return [observation.verdict.value for observation in observe(mode, device).values()]


def test_three_cases_for_each_mode(device: torch.device) -> None:
    seen = observe(MODE, device)
    assert [o.case for o in seen.values()] == ["unzeroed", "unzeroed/fix", "unzeroed/twin"]
    assert [o.state for o in seen.values()] == ["doubled", "right", "right"]
    assert {o.topic for o in seen.values()} == {"test_failure_mode"}
    assert seen["broken"].why == "Backward adds."
    assert seen["broken"].message == "got 2, right 1"
    assert verdicts(MODE, device) == ["confirmed"] * 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"documented": True}, ["as_documented", "confirmed", "confirmed"]),
        ({"promise": "It is never so."}, ["defect", "confirmed", "confirmed"]),
        ({"state": State.zero}, ["refuted", "confirmed", "confirmed"]),
        ({"state": State.zero, "promise": "Never."}, ["refuted", "confirmed", "confirmed"]),
        ({"says": "be careful"}, ["refuted", "confirmed", "confirmed"]),
        ({"broken": zeroed}, ["refuted", "confirmed", "confirmed"]),
        ({"fix": unzeroed}, ["confirmed", "refuted", "confirmed"]),
        ({"twin": unzeroed}, ["confirmed", "confirmed", "refuted"]),
        ({"fix": refusing}, ["confirmed", "refuted", "confirmed"]),
        ({"twin": lacking}, ["confirmed", "confirmed", "skipped"]),
        ({"broken": lacking}, ["skipped", "confirmed", "confirmed"]),
    ],
)
def test_a_verdict_follows_what_is_seen(
    change: dict[str, Any], expected: list[str], device: torch.device
) -> None:
    assert verdicts(replace(MODE, **change), device) == expected


def test_an_error_is_known_by_its_text(device: torch.device) -> None:
    mode = replace(MODE, broken=refusing, state=State.error, says="no, thank you")
    assert verdicts(mode, device)[0] == "confirmed"
    other = observe(replace(mode, says="another text"), device)["broken"]
    assert other.verdict is Verdict.refuted
    assert other.expected == "error, with “another text”"
    assert other.outcome == "error, unexpected"
    assert other.message == "RuntimeError: no, thank you"
    gone = observe(replace(mode, broken=agreeing), device)["broken"]
    assert (gone.verdict, gone.outcome) == (Verdict.refuted, "ran, silently")


def test_what_a_device_lacks_is_skipped_with_the_reason(device: torch.device) -> None:
    seen = observe(replace(MODE, missing=lambda device: f"{device.type} has no gloo"), device)
    assert {o.verdict for o in seen.values()} == {Verdict.skipped}
    assert {o.message for o in seen.values()} == {f"{device.type} has no gloo"}
    assert {o.state for o in seen.values()} == {None}


@pytest.mark.parametrize(
    "change",
    [
        {"state": State.right},
        {"state": State.error},
        {"promise": "Never.", "documented": True},
        {"promise": "Never.", "says": "aloud"},
    ],
)
def test_a_mode_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^unzeroed: "):
        replace(MODE, **change)


def test_pasted_code_brings_its_imports_and_a_call() -> None:
    text = pasteable(zeroed, CPU)
    imports = "from collections.abc import Mapping\nfrom typing import Any\nimport torch\n\n"
    assert text.startswith(imports + "def zeroed(")
    assert text.endswith('\nprint(zeroed(torch.device("cpu")))')


def test_code_that_needs_more_than_imports_is_refused() -> None:
    with pytest.raises(ValueError, match="using_a_neighbour uses zeroed of its file"):
        pasteable(using_a_neighbour, CPU)
