"""A sweep that is told to end does so."""

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from gradbench.sweep.sweep import Sweep
from gradbench.terminal.progress import Screen


@pytest.fixture
def interrupted() -> Sweep:
    """One whose interruption was raised where C code swallowed it."""
    return Sweep([], Screen(Console(quiet=True)), interruption=KeyboardInterrupt)


def test_a_swallowed_interruption_ends_the_next_job(interrupted: Sweep) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted.job(OmegaConf.create({}))


def test_a_swallowed_interruption_ends_a_task_at_work(interrupted: Sweep) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted._advances(0.5, "measuring")
