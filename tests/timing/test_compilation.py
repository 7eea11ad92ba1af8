"""What was compiled is credited to its cell; what was compiled while timed has no figures."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.block.measured import Measured
from gradbench.block.rows import cell_rows
from gradbench.block.run import measure_block
from gradbench.block.sample_rows import sample_rows
from gradbench.request.block import Block
from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.timing.compilation import Compilation
from tests.conftest import TINY, make

Plan = Callable[..., Block]

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="no C++ compiler here"
)


@pytest.fixture(autouse=True)
def anew() -> None:
    torch._dynamo.reset()


@pytest.fixture
def limits() -> tuple[int, int]:
    config = torch._dynamo.config
    return config.recompile_limit, config.accumulated_recompile_limit


@dataclass(frozen=True)
class CompilesEachBinding(Strategy):
    """``torch.compile(optimizer.step)`` as someone writes it: its graph is one optimizer's."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        return Binding(torch.compile(rule.optimizer(parameters).step, backend="eager"))


@dataclass(frozen=True)
class GivesUp(Strategy):
    """One that allows itself so few graphs that later bindings run as they are written."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        step = rule.optimizer(parameters).step
        compiled = torch.compile(step, backend="eager", recompile_limit=3)
        return Binding(compiled)


@dataclass(frozen=True)
class CountsInPython(Strategy):
    """One whose count is a constant of the graph, so that each update has a graph of its own."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        def update(values: list[Tensor], gradients: list[Tensor], count: int) -> None:
            for value, gradient, state in zip(values, gradients, slots, strict=True):
                rule.step(value, gradient, state, count)

        compiled, count = torch.compile(update, dynamic=False, backend="eager"), 0

        @torch.no_grad()
        def step() -> None:
            nonlocal count
            count += 1
            gradients = [parameter.grad for parameter in parameters]
            compiled(list(parameters), gradients, count)  # type: ignore[arg-type]

        return Binding(step)


def measured(
    plan: Plan, strategy: type[Strategy], rule: str, *overrides: str
) -> tuple[Block, Measured]:
    """Measure a real block in which a strategy of this file stands beside two of gradbench's."""
    target = f"+strategy.theirs._target_={__name__}.{strategy.__name__}"
    asked = ("strategy=[optimizer,no_grad]", "zeroing=[set_to_none]", f"rule={rule}", target)
    block = plan(*TINY, *asked, *overrides)
    return block, measure_block(block, lambda *_: None)


def rows_of(block: Block, seen: Measured) -> dict[str, dict[str, object]]:
    return {row["cell"]: row for row in cell_rows(block, make("rule", "sgd"), seen)}


@pytest.mark.parametrize("rule", ["sgd", "momentum"])  # whose second step is another graph
def test_compiling_each_binding_stays_compiled(
    rule: str, plan: Plan, limits: tuple[int, int]
) -> None:
    """Eight graphs are Dynamo's limit for a program, which has one optimizer."""
    many = ("measurement.replicates=12", "measurement.min_replicates=12", "measurement.margin=10")
    block, seen = measured(plan, CompilesEachBinding, rule, *many)
    assert seen.isolated is not None
    assert seen.isolated.replicates >= 12
    row = rows_of(block, seen)["theirs/set_to_none"]
    assert (row["status"], row["reason"]) == ("ok", None)
    assert seen.compiled["theirs/set_to_none"].graphs > 12
    assert row["graph_breaks"] == 1  # torch.optim puts one before its step
    assert (
        torch._dynamo.config.recompile_limit,
        torch._dynamo.config.accumulated_recompile_limit,
    ) == limits


def test_a_step_that_is_compiled_no_more_is_not_ranked(plan: Plan) -> None:
    many = ("measurement.replicates=12", "measurement.min_replicates=12")
    block, seen = measured(plan, GivesUp, "sgd", *many)
    row = rows_of(block, seen)["theirs/set_to_none"]
    assert row["status"] == "failed"
    assert "recompile_limit" in str(row["reason"])
    assert row.get("update_s") is None
    assert row.get("speedup") is None
    assert rows_of(block, seen)["no_grad/set_to_none"]["speedup"] is not None


def test_compiling_while_timed_is_not_ranked(plan: Plan) -> None:
    block, seen = measured(plan, CountsInPython, "adamw")
    rows = rows_of(block, seen)
    row = rows["theirs/set_to_none"]
    assert row["status"] == "failed"
    assert str(row["reason"]).startswith("torch.compile compiled while it was timed: ")
    assert row.get("update_s") is None
    assert row.get("step_s") is None
    assert "theirs/set_to_none" not in {sample["cell"] for sample in sample_rows(block, seen)}
    assert {name: rows[name]["status"] for name in rows if name != "theirs/set_to_none"} == {
        **{"optimizer/set_to_none": "ok", "no_grad/set_to_none": "ok"},
        **{"twin": "ok", "bandwidth": "ok"},
    }


def test_a_baseline_that_compiles_while_timed_has_no_speedups(plan: Plan) -> None:
    target = f"+baseline.theirs._target_={__name__}.{CountsInPython.__name__}"
    block, seen = measured(plan, CountsInPython, "adamw", "~baseline.optimizer", target)
    rows = rows_of(block, seen)
    assert rows["theirs/set_to_none"]["status"] == rows["twin"]["status"] == "failed"
    assert rows["no_grad/set_to_none"]["status"] == "ok"
    assert all(row.get("speedup") is None for row in rows.values())


def test_gradbench_compiles_in_untimed_calls_only(plan: Plan) -> None:
    """Tensors of two elements, for ``dispatch_s``, would be another graph: they are not timed."""
    asked = ("strategy=[optimizer,optimizer_compiled]", "zeroing=[set_to_none,set_to_zero]")
    block = plan(*TINY, *asked, "rule=momentum", "measurement.replicates=10")
    seen = measure_block(block, lambda *_: None)
    rows = rows_of(block, seen)
    assert {row["status"] for row in rows.values()} == {"ok"}
    compiled = {n: r["compile_s"] for n, r in rows.items() if r.get("compile_s") is not None}
    assert set(compiled) == {"optimizer_compiled/set_to_none", "optimizer_compiled/set_to_zero"}
    # An update's, twice for momentum, and the examination's.
    assert sum(each.graphs for each in seen.compiled.values()) <= 6
    assert rows["optimizer_compiled/set_to_zero"]["dispatch_s"] is None
    assert rows["optimizer/set_to_zero"]["dispatch_s"] is not None
    assert rows["optimizer_compiled/set_to_none"]["graph_breaks"] == 0
    assert seen.compile_s == pytest.approx(sum(map(float, compiled.values())))  # type: ignore[arg-type]


def test_each_call_is_credited_to_its_cell() -> None:
    compiled = torch.compile(lambda x: x + 1, backend="eager", dynamic=False)
    with Compilation() as watch:
        before = watch.clock()
        for cell, size in (("first", 3), ("second", 4), ("first", 5), ("none", 3)):
            compiled(torch.ones(size))
            watch.credit(cell)
        assert {cell: seen.graphs for cell, seen in watch.by_cell.items()} == {
            **{"first": 2, "second": 1}
        }
        assert watch.seconds == sum(seen.seconds for seen in watch.by_cell.values()) > 0
        assert not watch.failed
        assert watch.clock() > before
        compiled(torch.ones(6))
        watch.credit("second", timed=True)
        assert watch.failed == {"second"}


def test_a_reset_is_no_compilation() -> None:
    compiled = torch.compile(lambda x: x + 1, backend="eager")
    with Compilation() as watch:
        compiled(torch.ones(3))
        watch.credit("first")
        torch._dynamo.reset()
        watch.credit("second", timed=True)
        compiled(torch.ones(3))
        watch.credit("third")
        assert {cell: seen.graphs for cell, seen in watch.by_cell.items()} == {
            **{"first": 1, "third": 1}
        }
        assert all(seen.seconds > 0 for seen in watch.by_cell.values())


def test_nothing_is_imported_to_watch() -> None:
    program = """
import sys
import torch
from gradbench.timing.compilation import Compilation

with Compilation() as watch:
    watch.credit("cell", timed=True)
assert not watch.by_cell
assert "torch._dynamo" not in sys.modules
"""
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert answer.returncode == 0, answer.stderr
