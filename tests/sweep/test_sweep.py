"""A sweep that is told to end does so."""

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from gradbench.observing.trial import plan_trials
from gradbench.request.plan import plan_block
from gradbench.sweep.label import label_of
from gradbench.sweep.sweep import Sweep
from gradbench.terminal.progress import Screen
from tests.conftest import Compose


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


@pytest.mark.parametrize(
    ("overrides", "said"),
    [([], ""), (["threads=1"], " · 1 thread"), (["threads=2"], " · 2 threads")],
)
def test_tasks_that_differ_in_threads_have_lines_of_their_own(
    composed: Compose, overrides: list[str], said: str
) -> None:
    config = composed("model=linear", "rule=sgd", "experiment=[article]", *overrides)
    assert label_of(plan_block(config)) == f"linear · sgd · cpu{said}"
    [trial] = plan_trials(config)
    assert label_of(trial) == f"article · cpu{said}"
