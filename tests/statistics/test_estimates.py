"""Which samples count: rounds whose bandwidth control was slow do not, if it says so of memory."""

from typing import Any

import pytest

from gradbench.statistics.estimates import estimate
from gradbench.statistics.sample import Sample


def sample(cell: str, round_: int, seconds: float, **times: Any) -> Sample:
    given: dict[str, Any] = {"host_s": seconds, "device_s": None, **times}
    identity: dict[str, Any] = {"protocol": "isolated", "phase": "update"}
    place = {"replicate": 0, "round": round_, "calls": 1, "switched": False}
    return Sample(cell=cell, seconds=seconds, **identity, **place, **given)


def slow_share(**times: Any) -> float:
    """Of twenty rounds, in five of which the control takes twice as long."""
    control = [sample("bandwidth", n, 2e-5 if n % 4 == 0 else 1e-5, **times) for n in range(20)]
    updates = [sample(cell, n, 1e-4) for cell in ("a", "twin") for n in range(20)]
    found = estimate([*control, *updates], baseline="a", twin="twin", control="bandwidth")
    assert found.disturbed["a"] == found.selection.slow.sum()
    return float(found.selection.slow.mean())


def test_rounds_of_slow_memory_are_left_out() -> None:
    assert slow_share() == pytest.approx(0.25)
    assert slow_share(host_s=2e-6, device_s=9e-6) == pytest.approx(0.25)


def test_a_control_that_waits_for_the_host_says_nothing_of_memory() -> None:
    assert slow_share(host_s=9e-6, device_s=9e-6) == 0
