"""The exchange control: what one thread has written, another one reads."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from gradbench.block.rows import cell_rows
from gradbench.block.run import measure_block
from gradbench.request.block import Block
from gradbench.results.schema import arrow_schema
from gradbench.timing.exchange import ExchangeControl, exchange_clock
from tests.conftest import TINY, make

CPU = torch.device("cpu")


@pytest.fixture
def threads() -> Any:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_threads_of_a_cpu_exchange(threads: Callable[[int], None]) -> None:
    threads(2)
    assert ExchangeControl.matching(CPU) == ExchangeControl(2)
    assert ExchangeControl.matching(torch.device("cuda")) is None
    threads(1)
    assert ExchangeControl.matching(CPU) is None


def test_a_call_that_waits_tells_the_clock_nothing(
    threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = itertools.cycle([0.003, 0.003, 0.0])

    def allocate(*_: object) -> Callable[[], object]:
        return lambda: time.sleep(next(waits))

    monkeypatch.setattr(ExchangeControl, "allocate", allocate)
    threads(2)
    seconds = exchange_clock(CPU)()
    assert seconds is not None
    assert 0 < seconds < 0.003
    threads(1)
    assert exchange_clock(CPU)() is None


@pytest.mark.parametrize("count", [2, 3, 8])
def test_each_thread_works_on_what_its_neighbour_has_just_written(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows: list[tuple[int, int]] = []
    vectors: list[torch.Tensor] = []
    ones = torch.ones

    def recorded(*size: Any, **options: Any) -> torch.Tensor:
        vectors.append(ones(*size, **options))
        return vectors[-1]

    monkeypatch.setattr(torch, "ones", recorded)
    call = ExchangeControl(count).allocate(CPU)
    mul_ = torch.Tensor.mul_

    def seen(tensor: torch.Tensor, factor: float) -> torch.Tensor:
        windows.append((tensor.storage_offset(), tensor.numel()))
        return mul_(tensor, factor)

    monkeypatch.setattr(torch.Tensor, "mul_", seen)
    call()
    share = windows[0][1] // count
    assert share >= 32768  # fewer are not shared at all
    assert windows == [(0, count * share), (share, count * share)]
    assert bool((vectors[0] == 1).all())


def test_a_block_says_how_long_its_threads_take(
    plan: Callable[..., Block], threads: Callable[[int], None]
) -> None:
    for count in (2, 1):
        block = plan(*TINY, "strategy=[no_grad]", "zeroing=[set_to_none]", f"threads={count}")
        rows = cell_rows(block, make("rule", "sgd"), measure_block(block, lambda *_: None))
        took = {row["exchange_s"] for row in rows}
        assert len(took) == 1
        if count == 2:
            assert 1e-6 < took.pop() < 1
            assert 0 <= rows[0]["moved_fraction"] <= 1
        else:
            assert took == {None}
    assert {"exchange_s", "moved_fraction"} <= set(arrow_schema("cells").names)
