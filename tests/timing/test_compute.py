from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gradbench.block.rows import cell_rows
from gradbench.block.run import measure_block
from gradbench.request.block import Block
from gradbench.timing.compute import ComputeControl
from tests.conftest import CPU, TINY, make


def matching(*shapes: tuple[int, ...], device: torch.device = CPU) -> ComputeControl | None:
    sizes = [torch.Size(shape) for shape in shapes]
    return ComputeControl.matching(make("rule", "muon"), sizes, torch.float32, device)


def test_the_shape_of_most_operations_is_the_controls() -> None:
    found = matching((64, 16), (16, 64), (40, 40), (64,), (512, 8, 8, 8))
    assert found == ComputeControl(1, 40, 40, torch.bfloat16)
    found = matching((64, 32), (32, 64), (40, 40), (64,))
    assert found == ComputeControl(2, 32, 64, torch.bfloat16)


def test_where_memory_traffic_decides_there_is_none() -> None:
    assert matching((64,), (2, 3, 4)) is None
    shapes = [torch.Size((64, 64))]
    assert ComputeControl.matching(make("rule", "adamw"), shapes, torch.float32, CPU) is None


@pytest.mark.parametrize(("name", "most"), [("cpu", 1 << 31), ("cuda", 1 << 37)])
def test_a_call_is_short_whatever_the_model(name: str, most: int) -> None:
    shapes = [(768, 50257), *[(768, 3072)] * 24]
    for chosen in (shapes, shapes[:1]):
        found = matching(*chosen, device=torch.device(name))
        assert found is not None
        assert most / 4 < found.operations <= most


def test_operations_are_those_of_the_call() -> None:
    control = matching((6, 4), (4, 6))
    assert control is not None
    call = control.allocate(CPU)
    with FlopCounterMode(display=False) as counted:
        call()
    assert counted.get_total_flops() == control.operations == 2 * 2 * 4 * 4 * 6


def test_the_roofline_of_muon_is_one_of_operations(plan: Callable[..., Block]) -> None:
    asked = ("rule=muon", "model=mlp_small", "strategy=[no_grad]", "zeroing=[set_to_none]")
    block = plan(*TINY, *asked)
    rule = make("rule", "muon")
    measured = measure_block(block, lambda *_: None)
    operations = sum(rule.operations(shape) for shape in measured.shapes)
    rows = {row["cell"]: row for row in cell_rows(block, rule, measured)}
    row, control = rows["no_grad/set_to_none"], rows["bandwidth"]
    assert row["operations"] == operations > 0
    assert row["operations_per_s"] == pytest.approx(operations / row["update_s"])
    used = row["operations_per_s"] / row["ceiling_operations_per_s"]
    moved = row["bandwidth_bytes_per_s"] / row["ceiling_bytes_per_s"]
    assert row["roofline_fraction"] == pytest.approx(max(used, moved))
    assert "operations" not in control
    assert control["roofline_fraction"] == pytest.approx(1.0)
    # Its samples are kept, as evidence.
    assert measured.isolated is not None
    assert {s.cell for s in measured.isolated.samples} - {"exchange"} == {*rows, "compute"}
