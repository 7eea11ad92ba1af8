"""A cell's failure is its own: the others are measured, and right."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from gradbench.block import run
from gradbench.block.measured import Measured
from gradbench.block.rows import cell_rows
from gradbench.block.sample_rows import gradient_rows, sample_rows
from gradbench.errors import BadRequest
from gradbench.request.block import Block
from tests.broken import PROTOCOLS
from tests.conftest import TINY, make

Plan = Callable[..., Block]
BROKEN = "+strategy.broken._target_=tests.broken.RaisesIn"
ASKED = (*TINY, "rule=adamw", "strategy=[no_grad]", "zeroing=[set_to_none]")
OTHERS = {"optimizer/set_to_none", "no_grad/set_to_none", "twin", "bandwidth"}
SAID = {
    "verification": "verification",
    "training": "training: update",
    "dispatch": "timing: dispatch",
    "isolated": "timing: update",
    "counting": "counting",
}


def measured(block: Block) -> tuple[Measured, dict[str, dict[str, Any]]]:
    seen = run.measure_block(block, lambda *_: None)
    rows = cell_rows(block, make("rule", block.rule), seen)
    return seen, {row["cell"]: row for row in rows}


def check_others(
    block: Block, seen: Measured, rows: dict[str, dict[str, Any]], others: set[str]
) -> None:
    """All of the others' figures are there, and none but theirs."""
    for name in others:
        assert rows[name]["status"] == "ok", rows[name]["reason"]
        assert rows[name]["update_s"] > 0
        assert name == "bandwidth" or rows[name]["speedup"] > 0
    for sample in sample_rows(block, seen):
        assert sample["cell"] in others
    gradients = gradient_rows(block, seen)
    assert {row["cell"] for row in gradients} == others - {"twin", "bandwidth"}
    assert all(row["relative_error"] < 1e-5 for row in gradients)


@pytest.mark.parametrize("where", PROTOCOLS)
@pytest.mark.parametrize("what", ["bind", "step", "release"])
def test_a_strategy_that_raises_anywhere_is_lost_alone(where: str, what: str, plan: Plan) -> None:
    if where == "counting" and what != "step":
        pytest.skip("only steps are counted")
    block = plan(*ASKED, BROKEN, f"+strategy.broken.where={where}", f"+strategy.broken.what={what}")
    seen, rows = measured(block)
    lost = rows["broken/set_to_none"]
    assert lost["status"] == "failed"
    assert lost["reason"].startswith("RuntimeError: no such kernel (")
    said = SAID[where] if what == "step" or where in ("verification", "dispatch") else what
    assert said in lost["reason"]
    assert "update_s" not in lost
    assert "step_s" not in lost
    check_others(block, seen, rows, OTHERS)


@pytest.mark.parametrize("where", PROTOCOLS)
def test_a_strategy_that_refuses_anywhere_is_skipped(where: str, plan: Plan) -> None:
    block = plan(*ASKED, BROKEN, f"+strategy.broken.where={where}", "+strategy.broken.refuses=true")
    seen, rows = measured(block)
    lost = rows["broken/set_to_none"]
    assert lost["status"] == "skipped"
    assert lost["reason"].startswith("no such kernel")
    check_others(block, seen, rows, OTHERS)


def test_a_strategy_that_cannot_say_whether_it_runs_is_lost_alone(plan: Plan) -> None:
    block = plan(*ASKED, BROKEN, "+strategy.broken.where=none", "+strategy.broken.what=supports")
    seen, rows = measured(block)
    lost = rows["broken/set_to_none"]
    assert (lost["status"], lost["reason"]) == (
        "failed",
        "ValueError: no idea (asked whether it can run)",
    )
    check_others(block, seen, rows, OTHERS)


@pytest.mark.parametrize("where", ["training", "isolated"])
def test_a_zeroing_that_raises_is_lost_alone(where: str, plan: Plan) -> None:
    block = plan(
        *ASKED,
        "+zeroing.broken._target_=tests.broken.ZeroingRaisesIn",
        f"+zeroing.broken.where={where}",
    )
    seen, rows = measured(block)
    lost = [name for name in rows if name.endswith("/broken")]
    assert "no_grad/broken" in lost
    for name in lost:
        assert rows[name]["status"] == "failed"
        assert rows[name]["reason"].startswith("RuntimeError: no zeros left (")
        assert rows[name]["reason"].endswith(": zero)")
    check_others(block, seen, rows, OTHERS)


@pytest.mark.parametrize("where", PROTOCOLS)
def test_without_the_baseline_there_is_what_does_not_need_it(where: str, plan: Plan) -> None:
    block = plan(
        *ASKED,
        *("~baseline.optimizer", "+baseline.broken._target_=tests.broken.RaisesIn"),
        f"+baseline.broken.where={where}",
    )
    seen, rows = measured(block)
    assert block.cells[0].name == "broken/set_to_none"
    assert rows["broken/set_to_none"]["status"] == "failed"
    right = rows["no_grad/set_to_none"]
    assert right["status"] == "ok"
    assert seen.training is not None
    assert "no_grad/set_to_none" in {sample.cell for sample in seen.training.samples}
    assert all(row.get("step_speedup") is None for row in rows.values())
    assert right["update_s"] > 0
    assert right["launches"] > 0
    assert all(row.get("speedup") is None for row in rows.values())
    assert all(row.get("noise_floor") is None for row in rows.values())
    assert all(math.isfinite(row["norm"]) for row in gradient_rows(block, seen))
    assert {row["cell"] for row in sample_rows(block, seen)} >= {"no_grad/set_to_none"}


def test_a_cell_of_which_no_instructions_are_counted_is_lost_alone(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def instructions(contender: Any, *_: object) -> int:
        if contender.cell.strategy == "no_grad":
            raise OSError("valgrind: out of memory")
        return 12_345

    monkeypatch.setattr("gradbench.block.counting.instructions", instructions)
    monkeypatch.setattr("shutil.which", lambda command: command)
    _, rows = measured(plan(*ASKED, "measurement.callgrind=true"))
    assert rows["no_grad/set_to_none"]["status"] == "failed"
    assert rows["no_grad/set_to_none"]["reason"].endswith("out of memory (callgrind)")
    assert rows["optimizer/set_to_none"]["instructions"] == 12_345
    assert rows["optimizer/set_to_none"]["speedup"] == 1.0


class Chance(nn.Module):
    """Layers that are used by chance, and one that never is."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))
        self.never = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.layers[0](x)  # without any there were no backward pass
        for layer in list(self.layers)[1:]:
            if torch.rand(()) > 0.5:
                x = x + layer(x)
        return x


def test_layers_used_by_chance_are_all_measured_or_the_strategy_refuses(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gradbench.models.linear.Linear.build", lambda self: (Chance(), torch.randn(4, 8))
    )
    block = plan(*ASKED[:-2], "strategy=[no_grad,foreach,flat_fused]", "zeroing=[set_to_none]")
    _, rows = measured(block)
    assert {row["tensors"] for row in rows.values()} == {8}
    assert {row["untrained"] for row in rows.values()} == {2}
    for name in ("foreach/set_to_none", "flat_fused/set_to_none"):
        assert rows[name]["status"] == "skipped"
        assert ".grad is None (training: update)" in rows[name]["reason"]
    for name in ("optimizer/set_to_none", "no_grad/set_to_none"):
        assert rows[name]["status"] == "ok"
        assert rows[name]["speedup"] > 0


@pytest.mark.parametrize("lr", ["0", "0.0"])
def test_a_learning_rate_of_zero_is_refused(lr: str, plan: Plan) -> None:
    """A rule takes it, for a schedule; nothing that a block measures would change."""
    with pytest.raises(BadRequest, match=r"rule\.lr=0 .* choose"):
        run.measure_block(plan(*ASKED, f"rule.lr={lr}"), lambda *_: None)


def test_without_training_steps_nothing_trains(plan: Plan) -> None:
    block = plan(*TINY, "measurement.training_steps=0")
    found, rows = measured(block)
    assert found.training is None
    timed = [row for row in rows.values() if row["status"] == "ok" and row["strategy"]]
    assert timed
    assert all(row["update_s"] > 0 for row in timed)
    assert all(row.get("step_s") is None for row in timed)
