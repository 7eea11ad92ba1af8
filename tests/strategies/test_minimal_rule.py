"""A rule that offers ``reference`` and ``step`` alone: right, or skipped with what is missing."""

from collections.abc import Callable

import pytest
import torch

from gradbench.block.run import measure_block
from gradbench.request.block import Block
from gradbench.strategies.base import Strategy
from gradbench.verify.verification import verify
from tests.conftest import TINY, allocate, make, options
from tests.minimal import Minimal

MISSING = {
    "Minimal has no change out of place": {"no_grad_out_of_place", "no_grad_copy", "data_rebind"},
    "Minimal has no list step": {"foreach"},
    "Minimal has no batched step": {"batched"},
    "torch.optim has no Minimal": {
        *("optimizer", "optimizer_for_loop", "optimizer_foreach", "optimizer_fused"),
        *("optimizer_compiled", "flat"),
    },
    "PyTorch has no fused kernel for Minimal": {"flat_fused"},
    "needs CUDA, the device is cpu": {"cuda_graph"},
    "capturable=True needs CUDA, the device is cpu": {"optimizer_capturable"},
}
REASONS = {name: reason for reason, names in MISSING.items() for name in names}
ON_CUDA = {
    "cuda_graph": "Minimal has no list step",
    "optimizer_capturable": "torch.optim has no Minimal",
}


@pytest.mark.parametrize("name", sorted(options("strategy")))
def test_a_strategy_is_right_or_names_what_is_missing(name: str, device: torch.device) -> None:
    strategy: Strategy = make("strategy", name)
    rule = Minimal(lr=0.01)
    reason = strategy.supports(rule, device, torch.float32)
    if reason is not None and "torch.compile needs" in reason:
        pytest.skip(reason)
    assert reason == (REASONS if device.type == "cpu" else REASONS | ON_CUDA).get(name)
    if reason is None:
        tensors = allocate(rule, device=device)
        assert verify(strategy, make("zeroing", "set_to_none"), tensors).reason is None


@pytest.mark.parametrize("name", sorted(ON_CUDA))
def test_a_device_that_is_not_needed_for_the_reason_is_not_asked_for(name: str) -> None:
    reason = make("strategy", name).supports(Minimal(lr=0.01), torch.device("cuda"), torch.float32)
    assert reason == ON_CUDA[name]


def test_no_cell_of_it_fails(plan: Callable[..., Block]) -> None:
    block = plan(
        *TINY,
        *("rule=sgd", "rule._target_=tests.minimal.Minimal", "strategy@baseline=no_grad"),
        *("strategy=[no_grad,foreach,data_rebind]", "zeroing=[set_to_none]"),
        "+strategy.unasked._target_=tests.minimal.Unasked",
    )
    outcomes = {o.cell.name: (o.status, o.reason) for o in measure_block(block, print).outcomes}
    assert outcomes == {
        "no_grad/set_to_none": ("ok", None),
        "foreach/set_to_none": ("skipped", "Minimal has no list step"),
        "data_rebind/set_to_none": ("skipped", "Minimal has no change out of place"),
        "unasked/set_to_none": ("skipped", "Minimal has no change out of place (examination)"),
        "twin": ("ok", None),
        "bandwidth": ("ok", None),
    }
