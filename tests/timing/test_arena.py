"""Replicates share memory, and lie at other places in it."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from gradbench.timing.arena import Arena
from gradbench.verify.tensors import Tensors
from tests.conftest import make

CPU = torch.device("cpu")
SHAPES = [torch.Size([1000, 30]), torch.Size([7]), torch.Size([]), torch.Size([0, 3])]


def replicate(arena: Arena) -> list[Tensor]:
    arena.begin()
    return [arena.empty(shape, torch.float32, CPU) for shape in SHAPES]


def spans(tensors: list[Tensor]) -> list[tuple[int, int]]:
    return sorted((t.data_ptr(), t.data_ptr() + 4 * t.numel()) for t in tensors if t.numel())


def test_later_replicates_lie_elsewhere_in_the_same_memory() -> None:
    arena = Arena(np.random.default_rng(0))
    replicate(arena)  # what it takes is known afterwards
    taken = [spans(replicate(arena)) for _ in range(20)]
    assert len({tuple(places) for places in taken}) == 20
    low = min(places[0][0] for places in taken)
    high = max(places[-1][1] for places in taken)
    assert high - low <= 2 * sum(4 * shape.numel() + 2 * 4096 for shape in SHAPES)
    for places in taken:
        assert all(start % 64 == 0 for start, _ in places)
        assert all(end <= start for (_, end), (start, _) in pairwise(places))


def test_each_tensor_has_a_storage_of_its_own() -> None:
    """What compiles looks for tensors that share one, and flattening for those side by side."""
    arena = Arena(np.random.default_rng(0))
    replicate(arena)
    first, second, scalar, empty = replicate(arena)
    assert first.untyped_storage().data_ptr() == first.data_ptr()
    assert first.storage_offset() == second.storage_offset() == 0
    assert (first.shape, scalar.shape, empty.shape) == (SHAPES[0], SHAPES[2], SHAPES[3])
    second.fill_(1.0)
    first.fill_(2.0)
    assert second.eq(1.0).all()


def test_a_larger_replicate_has_what_the_allocator_gives() -> None:
    arena = Arena(np.random.default_rng(0))
    replicate(arena)
    replicate(arena)
    large = arena.empty(torch.Size([1 << 20]), torch.float64, CPU)
    assert large.fill_(3.0).sum() == 3.0 * (1 << 20)
    arena.begin()
    assert arena.empty(torch.Size([1 << 20]), torch.float64, CPU).dtype == torch.float64


@pytest.mark.parametrize("rule", ["sgd", "adamw"])
def test_a_replicate_in_an_arena_is_what_the_allocator_makes(rule: str) -> None:
    arena = Arena(np.random.default_rng(0))
    shapes = [torch.Size([33, 5]), torch.Size([9])]
    for _ in range(3):
        arena.begin()
        made = []
        for given in ({"empty": arena.empty}, {}):
            torch.manual_seed(0)
            made.append(Tensors.allocate(shapes, torch.float32, CPU, make("rule", rule), **given))
        kept, fresh = made
        for one, other in ((kept, fresh), (kept.flat, fresh.flat)):
            for mine, theirs in zip(one.values, other.values, strict=True):
                assert torch.equal(mine, theirs)
            assert [sorted(row) for row in one.slots] == [sorted(row) for row in other.slots]
            assert all(not slot.any() for row in one.slots for slot in row.values())
        assert kept.guards_intact()
        assert kept.like(kept.values[0]).shape == shapes[0]
