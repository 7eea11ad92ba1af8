import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gradbench.timing import processors
from gradbench.timing.processors import Processors

CPU = torch.device("cpu")


class Scheduler:
    """Stands in for the system's: notes where the thread was allowed to be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *allowed: int) -> None:
        self.allowed, self.set = set(allowed), list[set[int]]()
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(self.allowed), raising=False)
        monkeypatch.setattr(os, "sched_setaffinity", lambda _, to: self.move(to), raising=False)
        monkeypatch.setattr(processors, "_NODES", Path("/nowhere"))
        monkeypatch.setattr(processors, "_HELD_S", 0.0)

    def move(self, to: set[int]) -> None:
        self.set.append(set(to))
        self.allowed = set(to)

    @property
    def turns(self) -> list[int]:
        """Where it was moved to; each time it must be let go at once."""
        held, free = self.set[::2], self.set[1::2]
        assert all(len(each) == 1 for each in held)
        assert len(free) == len(held)
        assert all(each == self.allowed for each in free)
        return [next(iter(each)) for each in held]


def begin(times: int, device: torch.device = CPU) -> None:
    turns = Processors(device, np.random.default_rng(0))
    for _ in range(times):
        turns.begin()


@pytest.mark.parametrize("count", [2, 3, 8])
def test_every_processor_has_as_many_replicates(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    scheduler = Scheduler(monkeypatch, *range(4, 4 + count))
    begin(2 * count)
    first, second = scheduler.turns[:count], scheduler.turns[count:]
    assert sorted(first) == list(range(4, 4 + count))
    assert second == first


def test_a_thread_that_may_use_one_processor_is_left_there(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Scheduler(monkeypatch, 3)
    begin(2)
    assert scheduler.set == []


def test_of_a_gpu_nothing_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Scheduler(monkeypatch, 0, 1)
    begin(2, torch.device("cuda"))
    assert scheduler.set == []


def test_a_system_without_such_calls_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delattr(os, "sched_setaffinity")
    begin(2)


def test_a_system_that_forbids_it_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: int, to: set[int]) -> None:
        raise PermissionError(to)

    scheduler = Scheduler(monkeypatch, 0, 1)
    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    begin(2)
    assert scheduler.allowed == {0, 1}


def test_what_has_been_taken_away_since_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Scheduler(monkeypatch, 0, 1)
    turns = Processors(CPU, np.random.default_rng(0))
    scheduler.allowed = {1}
    for _ in range(4):
        turns.begin()
    assert scheduler.turns == [1, 1]


def test_the_thread_stays_in_the_node_that_has_most_processors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scheduler = Scheduler(monkeypatch, 0, 1, 4, 5, 6)
    for node, numbers in enumerate(["0-3\n", "4-5,6\n", "\n"]):
        (tmp_path / f"node{node}").mkdir()
        (tmp_path / f"node{node}" / "cpulist").write_text(numbers)
    monkeypatch.setattr(processors, "_NODES", tmp_path)
    begin(6)
    assert set(scheduler.turns) == {4, 5, 6}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system moves no thread")
def test_afterwards_the_thread_may_use_what_it_might_before() -> None:
    before = os.sched_getaffinity(0)
    begin(3)
    assert os.sched_getaffinity(0) == before
