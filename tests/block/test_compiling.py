"""Which cells have no figures for what torch.compile did, and who pays for compiling."""

import pytest

from gradbench.block.compiling import (
    VerificationTime,
    compile_columns,
    fail_uncompiled,
    strategies_that_compiled,
)
from gradbench.block.measured import Outcome
from gradbench.request.block import Cell
from gradbench.timing.compilation import Compilation, Compiled

BASE, TWIN = Cell("a", "none", "baseline"), Cell("a", "none", "twin")
B_NONE, B_ZERO = Cell("b", "none"), Cell("b", "zero")
CELLS = (BASE, B_NONE, B_ZERO, TWIN)


def statuses(compilation: Compilation, **already: str) -> dict[str, tuple[str, str | None]]:
    outcomes = {cell.name: Outcome(cell, already.get(cell.strategy, "ok")) for cell in CELLS}
    fail_uncompiled(outcomes, compilation)
    return {name: (outcome.status, outcome.reason) for name, outcome in outcomes.items()}


def test_compiling_while_timed_fails_the_cell_alone() -> None:
    compilation = Compilation()
    compilation.by_cell["b/none"] = Compiled(1.0, 1, 0, "late")
    found = statuses(compilation)
    assert found["b/none"] == ("failed", "late")
    assert {found[name] for name in ("a/none", "b/zero", "twin")} == {("ok", None)}


def test_giving_up_fails_every_cell_of_the_strategy() -> None:
    compilation = Compilation()
    compilation.by_cell["b/zero"] = Compiled(1.0, 1, 0, "limit")
    compilation.gave_up.add("b/zero")
    found = statuses(compilation)
    assert found["b/none"] == found["b/zero"] == ("failed", "limit")
    assert found["a/none"] == found["twin"] == ("ok", None)


def test_baseline_and_twin_fail_together() -> None:
    compilation = Compilation()
    compilation.by_cell["twin"] = Compiled(1.0, 1, 0, "late")
    found = statuses(compilation)
    assert found["a/none"] == found["twin"] == ("failed", "late")
    assert found["b/none"] == ("ok", None)


def test_what_was_wrong_before_stays_so() -> None:
    compilation = Compilation()
    compilation.by_cell["b/none"] = Compiled(1.0, 1, 0, "late")
    assert statuses(compilation, b="wrong")["b/none"] == ("wrong", None)


def test_cells_of_a_strategy_share_breaks_and_not_seconds() -> None:
    compiled = {"b/none": Compiled(2.5, 1, 3)}
    assert compile_columns(B_NONE, CELLS, compiled) == {"compile_s": 2.5, "graph_breaks": 3}
    assert compile_columns(B_ZERO, CELLS, compiled) == {"compile_s": 0.0, "graph_breaks": 3}
    assert compile_columns(BASE, CELLS, compiled) == {}
    assert strategies_that_compiled(CELLS, compiled) == {"b"}


@pytest.mark.parametrize(
    ("whole", "again_s", "shared_s"), [(True, 30.0, 8.0), (False, 0.5, 7.5), (False, 30.0, 0.0)]
)
def test_verification_does_not_pay_for_graphs_that_timing_shares(
    whole: bool, again_s: float, shared_s: float
) -> None:
    compilation = Compilation()
    compilation.by_cell["b/none"] = Compiled(20.0, 1, 0)  # the examination, too
    verification = VerificationTime(CELLS, compilation)
    compilation.by_cell["b/none"].seconds += 8
    verification.end({"b": 8.0}, whole=whole)
    compilation.by_cell["b/zero"] = Compiled(again_s, 1, 0)
    assert verification.seconds == pytest.approx(-shared_s, abs=0.2)  # no time went by
