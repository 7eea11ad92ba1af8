"""What gradbench uses of a tensor without PyTorch's promise."""

import pytest
import torch

from gradbench.observing.writes import writes_of


def test_private_version_counts_the_writes_that_autograd_sees() -> None:
    tensor = torch.ones(3)
    assert hasattr(tensor, "_version"), "a tensor no longer tells its version"
    before = writes_of(tensor)
    tensor.neg_()
    tensor.view(3).neg_()
    assert writes_of(tensor) == before + 2
    tensor.data.neg_()
    assert writes_of(tensor) == before + 2
    with torch.inference_mode(), pytest.raises(RuntimeError, match="version"):
        writes_of(torch.ones(3))
