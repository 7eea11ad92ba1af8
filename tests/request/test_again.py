import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from gradbench.block.identity import identity
from gradbench.request.again import again, budget_of
from gradbench.request.block import Block
from gradbench.request.plan import plan_block
from gradbench.statistics.choice import Choice
from tests.conftest import Compose

Plan = Callable[..., Block]


def told(block: Block, **given: Any) -> tuple[str, dict[str, Any]]:
    """The command for a block whose candidates are all unclear, and its options as stored."""
    rows = [{**identity(block, cell), "threads": 3, **given} for cell in block.cells]
    unclear = [row for row in rows if row["role"] == "candidate"]
    options = json.loads(json.dumps(block.options, default=str))
    baseline = rows[0]["strategy"]
    return again(Choice(rows[0], False, (), tuple(unclear)), baseline, options), options


@pytest.mark.parametrize(
    "asked",
    [
        [],
        ["model=gpt2", "rule=adamw", "dtype=bfloat16", "measurement.cache=cold", "seed=7"],
        ["device=cuda", "device.index=1", "rule.lr=0.5", "rule=momentum"],
        ["rule=lion"],
        ["rule=lion", "strategy@baseline=data"],
        ["strategy@baseline=foreach", "strategy=[flat]"],
        ["strategy=[flat_compiled]", "strategy.flat_compiled.dynamic=true"],
        ["model=huggingface", "model.architecture=bert", "+model.config.num_hidden_layers=2"],
        ["model=custom", "model.factory=it's.mine:make"],
        ["rule=muon", "rule.ns_coefficients=[1.0,-2.5,3.0]", "rule.adamw.lr=0.25"],
    ],
)
def test_it_composes_to_the_same_block_for_ten_times_as_long(
    plan: Plan, composed: Compose, asked: list[str]
) -> None:
    asked = [one.replace("it's", r"it\'s") if "'" in one else one for one in asked]
    asked = [f"{k}='{v}'" if "\\" in v else f"{k}={v}" for k, v in (a.split("=", 1) for a in asked)]
    zeroing = "zeroing=[set_to_zero]"
    given = [*asked, zeroing, "measurement.budget_s=5"]
    block = plan(*given)
    command, _ = told(block)
    python, module, name, *overrides = shlex.split(command)
    assert (python, module, name) == ("python", "-m", "gradbench")
    assert "measurement.budget_s=50" in overrides
    again_planned = plan_block(composed(*overrides))
    for field in ("model", "device", "dtype", "rule", "seed"):
        assert getattr(again_planned, field) == getattr(block, field)
    assert again_planned.threads == 3
    assert again_planned.cells[0] == block.cells[0]
    assert set(again_planned.cells) == set(block.cells)
    assert again_planned.options["measurement"]["cache"] == block.options["measurement"]["cache"]
    for group in ("model", "rule", "device", "strategy", "zeroing"):
        assert again_planned.options[group] == block.options[group], group


def test_a_long_one_has_the_time_it_needs(plan: Plan, composed: Compose) -> None:
    command, _ = told(plan("measurement.budget_s=100"))
    overrides = shlex.split(command)[3:]
    measurement = plan_block(composed(*overrides)).options["measurement"]
    assert measurement["budget_s"] == 1000
    assert measurement["time_limit_s"] == 2000
    assert "time_limit_s" not in told(plan())[0]


def test_older_rows_take_the_budget_of_their_configuration_or_have_no_command(plan: Plan) -> None:
    command, options = told(plan("measurement.budget_s=3"), budget_s=float("nan"))
    assert command.endswith("measurement.budget_s=30")
    row = {"budget_s": None}
    assert budget_of(row, options) == 3.0
    assert budget_of(row, {}) is None


def test_nothing_unclear_needs_no_command(plan: Plan) -> None:
    block = plan()
    row = identity(block, block.cells[0])
    assert again(Choice(row, False, (), ()), "optimizer", block.options) == ""
    unknown = {**row, "model": "of:another"}
    assert again(Choice(unknown, False, (), (row,)), "optimizer", {}) == ""
