"""What a gradient is called."""

import pytest
import torch
from torch import Tensor

from gradbench.observing.outcome import Seen, combine

OLD, NEW = torch.tensor([1.0, 2.0]).double(), torch.tensor([3.0, -2.0]).double()


@pytest.mark.parametrize(
    ("gradient", "outcome"),
    [
        (OLD.float(), "old"),
        (NEW.float(), "new"),
        (OLD * (1 + 1e-7), "old"),
        (OLD * 1.001, "wrong"),
        ((OLD + NEW) / 2, "wrong"),
        (torch.tensor([float("nan"), 1.0]), "wrong"),
        (torch.zeros(2), "zero"),
        (None, "none"),
    ],
)
def test_a_gradient_is_named_by_what_it_equals(
    gradient: Tensor | None, outcome: str, device: torch.device
) -> None:
    here = None if gradient is None else gradient.to(device)
    assert Seen(here, OLD.to(device), NEW.to(device), 1e-5).outcome == outcome


def test_errors_are_relative_to_the_right_gradient() -> None:
    seen = Seen(1.5 * OLD, OLD, NEW, 1e-5)
    assert seen.error("old") == pytest.approx(0.5)
    assert seen.error("new") == pytest.approx(float((1.5 * OLD - NEW).norm() / NEW.norm()))
    assert Seen(None, OLD, NEW, 1e-5).error("old") == float("inf")


def test_gradients_too_close_to_tell_are_not_apart() -> None:
    assert Seen(OLD, OLD, NEW, 1e-5).apart
    assert not Seen(OLD, OLD, OLD * (1 + 1e-5), 1e-5).apart


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        (["old"], "old"),
        (["new", "new"], "new"),
        (["old", "wrong"], "wrong"),
        (["old", "new"], "wrong"),
        (["none", "old"], "none"),
        (["old", "zero"], "zero"),
    ],
)
def test_outcomes_of_one_step_are_combined(outcomes: list[str], together: str) -> None:
    assert combine(outcomes) == together
