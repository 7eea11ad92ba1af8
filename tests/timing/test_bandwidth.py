import torch

from gradbench.timing.bandwidth import BandwidthControl, traffic_bytes
from tests.conftest import make

SHAPES = [torch.Size((8, 6)), torch.Size((6,))]


def test_traffic_counts_each_tensor_with_the_slots_it_has() -> None:
    assert traffic_bytes(make("rule", "sgd"), SHAPES, torch.float32) == 4 * 3 * (48 + 6)
    assert traffic_bytes(make("rule", "adamw"), SHAPES, torch.bfloat16) == 2 * 7 * (48 + 6)
    assert traffic_bytes(make("rule", "muon"), SHAPES, torch.float32) == 4 * (5 * 48 + 7 * 6)


def test_the_control_moves_about_as_many_bytes() -> None:
    for name in ("sgd", "adamw", "muon"):
        control = BandwidthControl.matching(make("rule", name), SHAPES, torch.float32)
        moved = traffic_bytes(make("rule", name), SHAPES, torch.float32)
        assert 0 <= control.traffic_bytes - moved < 3 * 4
