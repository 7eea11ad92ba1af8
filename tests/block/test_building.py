"""Whether a model fits is said before it is built."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from gradbench.block.axes import instantiate_axes
from gradbench.block.building import build_model
from gradbench.devices.cpu import Cpu
from gradbench.models.base import UnavailableModel
from gradbench.request.block import Block
from tests.conftest import FACTORIES

Plan = Callable[..., Block]
ELEMENTS = 101_386  # of mlp_small


class Small(Cpu):
    def __init__(self, free: float) -> None:
        self.free = free

    def free_bytes(self) -> int:
        return int(self.free)


def fits(block: Block, bytes_per_element: float) -> bool:
    axes: Any = instantiate_axes(block)
    axes = dataclasses.replace(axes, device=Small(bytes_per_element * ELEMENTS))
    try:
        build_model(block, axes)
    except UnavailableModel as unavailable:
        return "GB free" not in str(unavailable)
    return True


@pytest.mark.parametrize(
    ("overrides", "needed"),
    [
        # Isolated: module 1, five of a replicate, temporaries 4, and two slots.
        (["strategy=[optimizer]", "rule=adamw", "measurement.training_steps=1"], 12 * 4),
        # One flat buffer for parameters, one for gradients, one for each slot.
        (["strategy=[optimizer,flat]", "rule=adamw", "measurement.training_steps=1"], 16 * 4),
        # A graph reads gradients of its own, and allocates what its step does.
        (["strategy=[optimizer,cuda_graph]", "rule=adamw", "measurement.training_steps=1"], 56),
        # float64: copy, gradient, its copy, two slots before and after; four steps' gradients.
        (["strategy=[optimizer]", "rule=adamw", "measurement.training_steps=3"], 76),
        (
            ["strategy=[optimizer]", "rule=sgd", "dtype=bfloat16", "measurement.training_steps=1"],
            2 + 3 * 8 + 2 * 4,
        ),
    ],
)
def test_what_is_needed(plan: Plan, overrides: list[str], needed: int) -> None:
    block = plan("model=mlp_small", *overrides)
    assert fits(block, needed)
    assert not fits(block, needed - 1)


def test_each_tensor_is_counted_with_the_slots_it_has(plan: Plan) -> None:
    block = plan("rule=muon", "strategy=[optimizer]", "measurement.training_steps=1")
    vectors = 256 + 256 + 10  # AdamW's two slots each; Muon has one
    needed = (11 * 4 * (ELEMENTS - vectors) + 12 * 4 * vectors) / ELEMENTS
    assert fits(block, needed + 1e-3)
    assert not fits(block, needed - 1e-3)


def test_gradients_that_accumulate_are_kept_beside_the_others(plan: Plan) -> None:
    cleared = plan("rule=sgd", "strategy=[optimizer]", "measurement.training_steps=3")
    both = plan(
        "rule=sgd",
        "strategy=[optimizer]",
        "measurement.training_steps=3",
        "zeroing=[set_to_none,accumulate]",
    )
    assert fits(cleared, 4 + 24 + 16)
    assert not fits(both, 4 + 24 + 16)
    assert fits(both, 4 + 24 + 32)


def test_what_is_frozen_needs_little(plan: Plan) -> None:
    """A replicate holds only what trains."""
    block = plan("model=lora", "model.base.layers=1", "rule=adamw", "strategy=[optimizer,flat]")
    with torch.device("meta"):
        parameters = list(instantiate_axes(block).model.build()[0].parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    frozen = sum(p.numel() for p in parameters) - trained
    assert frozen > 100 * trained
    assert fits(block, (76 * trained + 12 * frozen) / ELEMENTS + 1)
    assert not fits(block, (76 * trained + 12 * frozen) / ELEMENTS - 1)


def test_a_model_is_built_where_it_is_measured(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    """All but the user's own: that knows of no default device."""
    built: list[str] = []

    def place(module: Any, batch: Any, *_: Any) -> tuple[Any, Any]:
        built.append(next(module.parameters()).device.type)
        return module, batch

    monkeypatch.setattr("gradbench.block.building.place", place)
    monkeypatch.syspath_prepend(str(FACTORIES))
    where = f"device={device.type}"
    own = plan(where, "model=custom", "model.factory=gradbench_factories:fine")
    for block in (plan(where, "model=mlp_small"), own):
        build_model(block, instantiate_axes(block))
    assert built == [device.type, "cpu"]
