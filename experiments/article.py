"""Placeholder."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.script import main


def observe(device: torch.device) -> Iterator[Observation]:
    """See."""
    yield Observation(case="a", expected="b", outcome="c", verdict=Verdict.refuted, message="0.1")


if __name__ == "__main__":
    main(observe)
