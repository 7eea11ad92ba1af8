"""The loss of any output, and moving a module with its batch."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from gradbench.models.base import loss, place


class Returns(nn.Module):
    """Calls a function of its inputs."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args, **kwargs):
        return self.function(*args, **kwargs)


X = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
EXPECTED = ((X.flatten() - torch.tensor([0.0, 1.0, 2.0, 3.0]).cos()) ** 2).mean()


@pytest.mark.parametrize(
    ("function", "batch"),
    [
        (lambda x: x, X),
        (lambda x, y: x + y, (X, torch.zeros(2))),
        (lambda a, b: a + b, {"b": X, "a": torch.zeros(2)}),
        (lambda x: (torch.arange(3), None, x, -x), X),
        (lambda x: OrderedDict(ids=torch.arange(3), hidden=x, other=-x), X),
    ],
    ids=["tensor", "tuple", "mapping", "tuple output", "mapping output"],
)
def test_batch_and_output_forms(function, batch):
    torch.testing.assert_close(loss(Returns(function), batch), EXPECTED)


def test_scalar_output_is_the_loss_itself():
    assert loss(Returns(lambda x: x.sum().bfloat16()), X).item() == 10
    assert loss(Returns(lambda x: {"loss": x.sum(), "logits": x}), X).item() == 10


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_neither_overflows_nor_stalls(dtype, device):
    value = loss(Returns(lambda x: x), torch.full((100_000,), 300.0, dtype=dtype, device=device))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.item(), 90_000.5, rtol=1e-4, atol=0)


@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.RMSNorm])
def test_a_final_norm_leaves_a_gradient(norm, device):
    x = torch.randn(4, 32, generator=torch.Generator().manual_seed(0)).to(device).requires_grad_()
    loss(norm(32, device=device), x).backward()
    assert x.grad.norm() > 1e-2


@pytest.mark.parametrize(
    ("output", "found"),
    [(torch.arange(3), "torch.int64"), (None, "NoneType"), ((), "nothing"), ({"a": "b"}, "str")],
)
def test_no_floating_output(output, found):
    with pytest.raises(ValueError, match=f"must return a floating-point tensor.*got {found}"):
        loss(Returns(lambda x: output), X)


@pytest.mark.parametrize("form", ["tensor", "tuple", "mapping"])
def test_place_changes_the_dtype_of_floating_tensors_only(form):
    ids, x = torch.arange(3), torch.ones(3)
    batch = {"tensor": x, "tuple": (ids, x), "mapping": {"ids": ids, "x": x}}[form]
    module, moved = place(nn.BatchNorm1d(3), batch, torch.device("meta"), torch.float64)
    assert module.weight.dtype == module.running_mean.dtype == torch.float64
    assert module.num_batches_tracked.dtype == torch.int64
    assert module.weight.is_meta
    assert type(moved) is type(batch)
    got = {"tensor": lambda: [moved], "tuple": lambda: moved, "mapping": lambda: moved.values()}
    dtypes = [tensor.dtype for tensor in got[form]()]
    assert dtypes == [torch.float64] if form == "tensor" else [torch.int64, torch.float64]
    assert x.dtype == torch.float32


def test_place_keeps_parameters_tied(device):
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    place(module, X, device, torch.float64)
    assert module[1].weight is module[0].weight
    assert module[1].weight.device == device
