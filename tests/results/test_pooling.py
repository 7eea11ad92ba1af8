"""Several runs of one question: which they are, and what is said of their cells."""

import math
from typing import Any

import pandas as pd
import pytest

from gradbench.results.pooling import pool_runs
from gradbench.results.question import blocks_in_order, questions
from gradbench.results.selection import once_each
from gradbench.results.status import why_contended

BASELINE = "optimizer/set_to_none"


def _run(run: str, speedups: dict[str, float], day: int = 1, **given: Any) -> pd.DataFrame:
    """One block; every speedup's interval is 1 % wide, of 12 replicates."""
    rows = []
    for strategy, speedup in {"optimizer": 1.0, "twin": 1.0, **speedups}.items():
        role = {"optimizer": "baseline", "twin": "twin"}.get(strategy, "candidate")
        cell = "twin" if role == "twin" else f"{strategy}/set_to_none"
        wide = 1.0 if role == "baseline" else 1.01
        rows.append(
            {
                **{"run": run, "host": "h", "block": f"h-{run}", "cell": cell, "role": role},
                **{"model": "mlp", "rule": "sgd", "dtype": "float32", "threads": 1, "seed": 0},
                **{"device": "cpu", "torch_version": "2", "gradbench_version": "1", "options": ""},
                **{"strategy": strategy, "zeroing": "set_to_none", "status": "ok"},
                **{"parameters": 100, "tensors": 4, "contended": False},
                **{"recorded_at": f"2026-01-{day:02}", "step_s": 1.0 / speedup},
                **_interval("update_s", 1e-3 / speedup, 1.01),
                **_interval("speedup", speedup, wide),
                **{"noise_floor": 0.02, "replicates": 12, "rounds": 120, "disturbed": 3},
                **{"reason": None, **given},
            }
        )
    return once_each(pd.DataFrame(rows))


def _interval(name: str, value: float, wide: float) -> dict[str, float]:
    return {name: value, f"{name}_low": value / wide, f"{name}_high": value * wide}


def _together(*runs: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(runs, ignore_index=True)


def _cells(*runs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    pooled = pool_runs(_together(*runs)).cells
    assert not pooled.duplicated("cell").any()
    rows: Any = pooled.to_dict("records")
    return {row["cell"]: row for row in rows}


@pytest.mark.parametrize(
    "given",
    [
        {"seed": 1},
        {"replicates": 3, "rounds": 12},
        {"design": "star"},
        {"stopped_by": "budget"},
        {"recorded_at": "2027-01-01"},
    ],
)
def test_seed_and_budget_make_no_other_question(given: dict[str, Any]) -> None:
    assert questions(_together(_run("a", {"flat": 8}), _run("b", {}, **given))).nunique() == 1


@pytest.mark.parametrize(
    "given",
    [
        *({"options": "rule.lr=0.1"}, {"threads": 2}, {"cache": "cold"}, {"dtype": "bfloat16"}),
        *({"torch_version": "3"}, {"gradbench_version": "2"}, {"host": "i"}, {"parameters": 101}),
        *({"model": "other"}, {"device_name": "Chip"}, {"driver": "5"}, {"clock_hz": 1e9}),
    ],
)
def test_what_matters_makes_another_question(given: dict[str, Any]) -> None:
    assert questions(_together(_run("a", {}), _run("b", {}, **given))).nunique() == 2


def test_another_baseline_is_another_question() -> None:
    other = _run("b", {"foreach": 1.0})
    other["role"] = other["role"].where(other["strategy"] != "foreach", "baseline")
    other = other[other["strategy"] != "optimizer"]
    assert questions(_together(_run("a", {"foreach": 2.0}), other)).nunique() == 2


def test_older_files_are_of_one_question_only_in_the_same_words() -> None:
    runs = [_run(run, {}, options=None) for run in ("a", "b")]
    assert questions(_together(*runs)).nunique() == 2
    again = [run.assign(block="h-torch2-gradbench1-00000001") for run in runs]
    assert questions(_together(*again)).nunique() == 1


def test_rows_that_were_skipped_are_of_their_blocks_question() -> None:
    run = _run("a", {"flat": 8})
    run.loc[run["strategy"] == "flat", ["status", "parameters", "device_name"]] = [
        *("skipped", None, None)
    ]
    assert questions(run).nunique() == 1


def test_a_later_run_of_one_strategy_hides_nothing() -> None:
    cells = _cells(_run("a", {"flat": 8.0}), _run("b", {}, day=2))
    assert cells["flat/set_to_none"]["speedup"] == 8.0
    assert cells["flat/set_to_none"]["runs"] == 1
    assert cells[BASELINE]["runs"] == 2
    assert {row["block"] for row in cells.values()} == {"h-b"}


def test_a_cell_of_several_runs_has_their_pooled_figures() -> None:
    measured = (("a", 2.0), ("b", 2.1), ("c", 2.2))
    runs = [_run(run, {"flat": speedup}, day) for day, (run, speedup) in enumerate(measured, 1)]
    cells = _cells(*runs)
    flat = cells["flat/set_to_none"]
    assert flat["speedup"] == pytest.approx(2.1, rel=1e-3)
    assert flat["speedup_low"] < 2.0 < 2.2 < flat["speedup_high"] < 2.5
    assert flat["update_s_low"] < 1e-3 / 2.1 < flat["update_s_high"]
    assert flat["step_s"] == pytest.approx(1 / 2.1)
    assert (flat["rounds"], flat["replicates"], flat["disturbed"]) == (360, 36, 9)
    assert (flat["runs"], flat["run_names"]) == (3, "a, b, c")
    assert (cells[BASELINE]["speedup_low"], cells[BASELINE]["speedup_high"]) == (1.0, 1.0)
    floors = {row["noise_floor"] for row in cells.values()}
    assert floors == {cells["twin"]["speedup_high"] - 1}
    assert 0.005 < floors.pop() < 0.01  # three twins that agree tell more than one


def test_wrong_in_any_run_is_wrong() -> None:
    bad = _run("a", {"flat": 50.0})
    bad["reason"] = bad["reason"].astype(object)
    bad.loc[bad["strategy"] == "flat", ["status", "reason"]] = ["wrong", "off by 9 ulp"]
    flat = _cells(bad, _run("b", {"flat": 8.0}, day=2))["flat/set_to_none"]
    assert (flat["status"], flat["reason"], flat["runs"]) == ("wrong", "off by 9 ulp", 1)


def test_of_a_wrong_baseline_no_run_has_a_speedup() -> None:
    bad = _run("a", {"flat": 50.0})
    bad.loc[bad["role"] == "baseline", "status"] = "wrong"
    cells = _cells(bad, _run("b", {"flat": 8.0}, day=2))
    assert cells[BASELINE]["status"] == "wrong"
    assert pd.isna(cells["flat/set_to_none"]["speedup"])
    assert pd.isna(cells["flat/set_to_none"]["noise_floor"])


def test_what_failed_once_has_the_figures_of_the_run_in_which_it_did_not() -> None:
    bad = _run("b", {"flat": 1.0}, day=2)
    bad.loc[bad["strategy"] == "flat", ["status", "update_s", "speedup"]] = ["failed", None, None]
    flat = _cells(_run("a", {"flat": 8.0}), bad)["flat/set_to_none"]
    assert (flat["status"], flat["speedup"]) == ("ok", 8.0)


@pytest.mark.parametrize("seen", [{"contended": True}, {"contention": "memory was slow"}])
def test_a_busy_run_counts_only_where_no_run_was_quiet(seen: dict[str, Any]) -> None:
    busy = _run("b", {"flat": 2.8, "data": 1.5}, day=2, **seen)
    cells = _cells(_run("a", {"flat": 4.1}), busy)
    assert (cells["flat/set_to_none"]["speedup"], cells["flat/set_to_none"]["runs"]) == (4.1, 1)
    assert cells["data/set_to_none"]["speedup"] == 1.5
    assert why_contended(cells["data/set_to_none"])


TOGETHER, APART = 8e-6, 16e-6


@pytest.mark.parametrize(
    ("exchange_s", "runs"),
    [
        ((TOGETHER, TOGETHER), "a, b"),
        ((TOGETHER, 1.3 * TOGETHER), "a, b"),  # it varies by a tenth anyway
        ((TOGETHER, APART), "b"),  # of as many, the last
        ((APART, TOGETHER), "b"),
        ((TOGETHER, APART, TOGETHER), "a, c"),
        ((APART, TOGETHER, APART), "a, c"),
        ((TOGETHER, None, APART, APART), "b, c, d"),  # one thread, an older file: as it was
        ((None, None), "a, b"),
    ],
)
def test_runs_for_which_the_processors_lay_otherwise_are_not_pooled(
    exchange_s: tuple[float | None, ...], runs: str
) -> None:
    measured = [
        _run(name, {"flat": 8.0}, day=1 + index, exchange_s=each_s)
        for index, (name, each_s) in enumerate(zip("abcd", exchange_s, strict=False))
    ]
    flat = _cells(*reversed(measured))["flat/set_to_none"]
    assert flat["run_names"] == runs


def test_what_only_another_run_has_is_taken_wherever_its_processors_lay() -> None:
    apart = _run("a", {"flat": 8.0, "data": 2.0}, exchange_s=APART)
    together = _run("b", {"flat": 4.0}, day=2, exchange_s=TOGETHER)
    cells = _cells(apart, together)
    assert cells["flat/set_to_none"]["speedup"] == 4.0
    assert cells["data/set_to_none"]["run_names"] == "a"


def test_what_was_wrong_elsewhere_is_wrong() -> None:
    wrong = {"status": "wrong"}
    apart = _run("a", {"flat": 8.0}, exchange_s=APART, **wrong)
    cells = _cells(apart, _run("b", {"flat": 8.0}, day=2, exchange_s=TOGETHER))
    assert cells["flat/set_to_none"]["status"] == "wrong"


def test_times_over_the_fastest_refer_to_the_fastest_of_all_runs() -> None:
    def measured(run: str, day: int, best: str, speedups: dict[str, float]) -> pd.DataFrame:
        cells = _run(run, speedups, day)
        over = {**_interval("over_fastest", 1.0, 1.0)}
        cells = cells.assign(**over)
        others = cells["strategy"] != best
        least = speedups[best]
        for end, wide in (("", 1.0), ("_low", 1 / 1.01), ("_high", 1.01)):
            cells.loc[others, f"over_fastest{end}"] = least / cells["speedup"] * wide
        return cells

    one = measured("a", 1, "flat", {"flat": 8.0, "foreach": 2.0})
    two = measured("b", 2, "foreach", {"foreach": 2.0})
    cells = _cells(one, two)
    foreach = cells["foreach/set_to_none"]
    assert foreach["over_fastest"] == pytest.approx(4.0)
    assert 3.5 < foreach["over_fastest_low"] < 4 < foreach["over_fastest_high"] < 4.6
    flat = cells["flat/set_to_none"]
    assert [flat[f"over_fastest{end}"] for end in ("", "_low", "_high")] == [1.0] * 3
    again = _cells(one, measured("c", 3, "flat", {"flat": 8.0, "foreach": 2.0}))
    assert again["foreach/set_to_none"]["over_fastest"] == pytest.approx(4.0)
    assert again["foreach/set_to_none"]["over_fastest_high"] < foreach["over_fastest_high"]


def test_other_tables_find_their_cells() -> None:
    pooled = pool_runs(_together(_run("a", {"flat": 8.0}), _run("b", {}, day=2)))
    assert pooled.together == 2
    samples = pd.DataFrame(
        {"run": ["a", "b", "x"], "host": "h", "block": ["h-a", "h-b", "h-x"], "cell": "c"}
    )
    named = pooled.named(samples)
    assert list(named.columns) == list(samples.columns)
    assert named["block"].tolist() == ["h-b", "h-b"]


def test_blocks_are_in_one_order() -> None:
    asked = [("model.width=1024", 1), ("model.width=64", 2), ("model.width=64", 1), ("", 2)]
    runs = [_run(f"r{n}", {}, options=o, threads=t) for n, (o, t) in enumerate(asked)]
    expected = [("", 2), ("model.width=64", 1), ("model.width=64", 2), ("model.width=1024", 1)]
    for order in (runs, runs[::-1]):
        found = [block.iloc[0] for block in blocks_in_order(_together(*order))]
        assert [(row["options"], row["threads"]) for row in found] == expected


def test_what_is_unknown_of_a_figure_is_no_object() -> None:
    """Of two whole runs every block is pooled, and no column of one run's is left to be numbers."""
    unknown = dict.fromkeys(("update_s", "update_s_low", "update_s_high", "step_s"), math.nan)
    runs = []
    for run in ("a", "b"):
        skipped = _run(run, {}, model="other", block=f"{run}-other", status="skipped")
        runs += [_run(run, {"flat": 2.0}), skipped.assign(**unknown)]
    cells = pool_runs(_together(*runs)).cells
    for name in unknown:
        assert cells[name].dtype == float
    assert cells.loc[cells["model"] == "other", "update_s"].isna().all()
    flat = cells[cells["strategy"] == "flat"]
    assert list(flat["update_s"]) == pytest.approx([0.5e-3])
