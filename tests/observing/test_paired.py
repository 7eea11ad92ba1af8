import math
from dataclasses import replace

import pytest
import torch

from gradbench.observing.paired import Paired, time_paired
from gradbench.statistics.effects import PROCESS
from gradbench.statistics.sample import Sample


def sample(call: str, replicate: int, round_: int, seconds: float, switched: bool) -> Sample:
    return Sample(
        cell=call,
        protocol="isolated",
        replicate=replicate,
        round=round_,
        phase="update",
        calls=1,
        seconds=seconds,
        host_s=seconds,
        device_s=None,
        switched=switched,
    )


@pytest.fixture
def samples() -> list[Sample]:
    """Three replicates of four rounds, in which b takes twice as long as a."""
    seconds = {"a": 1e-3, "b": 2e-3, "twin": 1e-3, "bandwidth": 1e-3}
    return [
        sample(call, replicate, round_, s * (1 + round_ / 10), switched=False)
        for replicate in range(3)
        for round_ in range(4)
        for call, s in seconds.items()
    ]


def test_ratios_are_paired_by_round(samples: list[Sample]) -> None:
    paired = Paired(samples, "a")
    for numerator, denominator, ratio in (("b", "a", 2.0), ("a", "b", 0.5)):
        interval = paired.ratio(numerator, denominator)
        assert interval.estimate == pytest.approx(ratio)
        assert interval.half_width == pytest.approx(math.expm1(1.96 * PROCESS), rel=0.01)
    assert paired.noise_floor == pytest.approx(0)
    assert not paired.contended


def test_disturbed_samples_do_not_count(samples: list[Sample]) -> None:
    slow = [replace(s, seconds=1.0, switched=True) if s.round == 3 else s for s in samples]
    assert Paired(slow, "a").seconds("b").estimate < 3e-3


def test_of_a_call_without_a_clean_sample_there_is_a_guess(samples: list[Sample]) -> None:
    paired = Paired([replace(s, switched=s.cell == "b") for s in samples], "a")
    assert paired.ratio("b", "a").half_width == math.inf
    assert paired.seconds("b").estimate == pytest.approx(2.3e-3, rel=0.1)
    assert paired.ratio("b", "a").estimate == pytest.approx(2)


def test_every_call_has_a_sample_in_every_round_and_replicates_are_fresh(
    device: torch.device,
) -> None:
    built = []

    def build() -> dict[str, object]:
        built.append(torch.ones(4, device=device))
        return {"a": built[-1].add_, "b": built[-1].mul_}

    def calls() -> dict[str, object]:
        return {name: (lambda call=call: call(1)) for name, call in build().items()}  # type: ignore

    timed = time_paired(device, calls, elements=64, budget_s=0.05, replicates=3)  # type: ignore
    assert len(built) == 3
    assert timed.first == "a"
    cells = [s.cell for s in timed.samples]
    assert {cells.count(name) for name in ("a", "b", "twin", "bandwidth")} == {len(cells) / 4}
    assert {s.replicate for s in timed.samples} == {0, 1, 2}
