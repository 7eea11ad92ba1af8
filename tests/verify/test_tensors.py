import pytest
import torch

from gradbench.verify.tensors import Tensors, cut_shape
from tests.conftest import make


@pytest.mark.parametrize(
    ("shape", "most", "cut"),
    [
        ((10, 10), 100, (10, 10)),
        ((10, 10), 99, (9, 10)),
        ((50257, 768), 262144, (341, 768)),
        ((1000,), 7, (7,)),
        ((2, 1000), 7, (1, 1000)),
        ((4, 3, 2), 12, (2, 3, 2)),
        ((), 1, ()),
    ],
)
def test_cut_keeps_dimensions_and_whole_slices(
    shape: tuple[int, ...], most: int, cut: tuple[int, ...]
) -> None:
    assert cut_shape(torch.Size(shape), most) == torch.Size(cut)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_every_update_can_be_seen(dtype: torch.dtype, device: torch.device) -> None:
    shapes = [torch.Size((1_200_000,))]
    tensors = Tensors.allocate(shapes, dtype, device, make("rule", "adam"))
    value, gradient = tensors.values[0].double().abs(), tensors.gradients[0].double().abs()
    assert float(value.min()) > 0.0019
    assert float(value.max()) <= 0.004 * (1 + 1e-2)
    assert float(gradient.min()) > 0.49
    assert float(gradient.max()) <= 1.0
    assert 0.4 < float((tensors.values[0] > 0).double().mean()) < 0.6
    assert tensors.values[0].data_ptr() % 64 == 0
