import warnings
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from gradbench.observing.symptom import State, examine

ONES = torch.ones(2)


def state(device: torch.device, **seen: Any) -> State:
    def probe(device: torch.device) -> Mapping[str, Any]:
        return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in seen.items()}

    return examine(probe, device).state


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"got": ONES, "right": ONES}, State.right),
        ({"got": 1.0, "right": torch.tensor(1.0)}, State.right),
        ({"got": None, "right": None}, State.right),
        ({"got": True, "right": True}, State.right),
        ({"got": ONES.bfloat16() * 1.001, "right": ONES}, State.right),
        ({"got": ONES.to_sparse(), "right": ONES}, State.right),
        ({"got": torch.tensor([1j]), "right": torch.tensor([1j])}, State.right),
        ({"got": torch.tensor([1j]), "right": torch.tensor([-1j])}, State.wrong),
        ({"got": None, "right": ONES}, State.none),
        ({"got": 0 * ONES, "right": ONES}, State.zero),
        ({"got": torch.nan * ONES, "right": ONES}, State.nan),
        ({"got": torch.tensor([1.0, torch.nan]), "right": ONES}, State.nan),
        ({"got": 2 * ONES, "right": ONES}, State.doubled),
        ({"got": 3 * ONES, "right": ONES}, State.wrong),
        ({"got": torch.inf * ONES, "right": ONES}, State.wrong),
        ({"got": 1.001 * ONES, "right": ONES}, State.wrong),
        ({"got": torch.ones(1), "right": ONES}, State.wrong),
        ({"got": ONES, "right": None}, State.wrong),
        ({"got": ONES, "right": 0 * ONES}, State.wrong),
        ({"got": 3 * ONES, "right": ONES, "stale": 3 * ONES}, State.stale),
        ({"got": 0 * ONES, "right": ONES, "lost": 0 * ONES}, State.lost),
        ({"got": 3 * ONES, "right": ONES, "lost": 0 * ONES}, State.wrong),
    ],
)
def test_a_state_is_told_by_comparison(
    seen: dict[str, Any], expected: State, device: torch.device
) -> None:
    assert state(device, **seen) is expected


def test_what_cannot_be_told_apart_is_refused(device: torch.device) -> None:
    """A case that could not fail would be worth nothing."""
    with pytest.raises(ValueError, match="lost and right are the same"):
        state(device, got=ONES, right=ONES, lost=ONES)


def test_an_error_is_a_symptom_with_its_text(device: torch.device) -> None:
    def probe(device: torch.device) -> Mapping[str, Any]:
        raise KeyError("gone")

    symptom = examine(probe, device)
    assert (symptom.state, symptom.said, symptom.unsupported) == (
        State.error,
        "KeyError: 'gone'",
        False,
    )


def test_an_operation_that_a_device_lacks_is_told_from_a_failure(device: torch.device) -> None:
    def probe(device: torch.device) -> Mapping[str, Any]:
        raise RuntimeError("\"addmm\" not implemented for 'Half'")

    assert examine(probe, device).unsupported


def test_a_warning_is_said_each_time_and_a_deprecation_never(device: torch.device) -> None:
    def probe(device: torch.device) -> Mapping[str, Any]:
        warnings.warn("careful", UserWarning, stacklevel=1)
        warnings.warn("soon gone", DeprecationWarning, stacklevel=1)
        return {"got": 1.0, "right": 1.0}

    said = [examine(probe, device).said for _ in range(2)]
    assert said == ["UserWarning: careful"] * 2


def test_a_warning_of_cpp_is_said_each_time_and_without_its_origin(device: torch.device) -> None:
    def probe(device: torch.device) -> Mapping[str, Any]:
        w = torch.ones(1, device=device, requires_grad=True) * 2
        return {"got": w.grad, "right": 1.0}

    said = [examine(probe, device).said for _ in range(2)]
    assert said[0] == said[1]
    assert "not a leaf" in said[0]
    assert "Triggered internally" not in said[0]


def test_global_state_is_as_before(device: torch.device) -> None:
    def probe(device: torch.device) -> Mapping[str, Any]:
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        return {"got": torch.rand(1, device=device), "right": 2.0}

    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = examine(probe, device), examine(probe, device)
    assert first == second, "the seed is fixed"
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() is torch.float32
    assert not torch.is_warn_always_enabled()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_message_shows_what_was_got_and_what_is_right(device: torch.device) -> None:
    symptom = examine(
        lambda device: {"got": torch.arange(6.0, device=device), "right": None}, device
    )
    assert symptom.message == "got [0, 1, 2, 3, …], right None"
