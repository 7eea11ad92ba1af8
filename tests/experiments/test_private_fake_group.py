"""What experiments use of PyTorch's tests without PyTorch's promise."""

import pytest
import torch
import torch.distributed as dist


def test_private_fake_group_leaves_tensors_as_they_are() -> None:
    try:
        from torch.testing._internal.distributed.fake_pg import FakeStore
    except ImportError as error:
        pytest.fail(f"experiments/failure_modes/distributed.py needs another group: {error}")
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        tensor = torch.ones(2)
        dist.all_reduce(tensor)
        assert tensor.tolist() == [1.0, 1.0]
    finally:
        dist.destroy_process_group()
