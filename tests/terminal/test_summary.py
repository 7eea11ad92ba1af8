import math
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from rich.text import Text

from gradbench.terminal.figures import format_seconds
from gradbench.terminal.summary import status_lines, summary_tables
from tests.terminal.cells import row, timed


def text_of(rows: list[dict[str, Any]]) -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for table in summary_tables(pd.DataFrame(rows)):
        console.print(table)
    return console.export_text()


def test_fastest_first_and_wrong_last_without_figures() -> None:
    text = text_of(
        [
            timed("base", 4e-5, 1.0, role="baseline"),
            timed("fast", 2e-5, 2.0),
            timed("broken", 1e-6, 40.0, status="wrong", reason="off by 3 ulp"),
            row("absent", status="skipped", reason="needs CUDA"),
        ]
    )
    lines = [line for line in text.splitlines() if "│" in line]
    assert [next(s for s in ("fast", "base", "broken") if s in line) for line in lines] == [
        "fast",
        "base",
        "broken",
    ]
    assert "20.0 µs" in lines[0]
    assert "2.00" in lines[0]
    assert "faster" in lines[0]
    assert "noise 2.0 %" in lines[1]
    assert "wrong" in lines[2]
    assert "1.00 µs" not in text
    assert "absent" not in text


def test_an_approximate_strategy_has_figures_and_comes_after_exact_ones() -> None:
    text = text_of(
        [
            timed("base", 4e-5, 1.0, role="baseline"),
            timed("coarse", 1e-5, 4.0, status="approximate", update_error=0.021),
            timed("broken", 1e-6, 40.0, status="wrong", reason="off by 3 ulp"),
            timed("slow", 8e-5, 0.5),
        ]
    )
    lines = [line for line in text.splitlines() if "│" in line]
    order = [next(s for s in ("base", "slow", "coarse", "broken") if s in line) for line in lines]
    assert order == ["base", "slow", "coarse", "broken"]
    assert "≈ coarse" in lines[2]
    assert "10.0 µs" in lines[2]
    assert "≈" not in lines[0]


def test_only_the_baselines_zeroing_is_shown() -> None:
    text = text_of(
        [timed("base", 4e-5, 1.0, role="baseline"), timed("other", 1e-5, 4.0, zeroing="else")]
    )
    assert "base" in text
    assert "other" not in text


def test_a_table_for_each_device() -> None:
    rows = [timed("base", 4e-5, 1.0, role="baseline", device_name=name) for name in ("A", "B")]
    assert len(summary_tables(pd.DataFrame(rows))) == 2


def test_unknown_intervals_are_said_to_be_unknown() -> None:
    figures = timed("fast", 2e-5, 2.0)
    figures |= {"speedup_low": 0.0, "speedup_high": math.inf, "noise_floor": None}
    text = text_of([timed("base", 4e-5, 1.0, role="baseline"), figures])
    assert "unknown" in text


def test_versions_are_named_where_there_are_several() -> None:
    base = timed("base", 4e-5, 1.0, role="baseline", gradbench_version="0.1.0")
    blocks = [{**base, "block": torch, "torch_version": torch} for torch in ("2.12.0", "2.13.0")]
    text = text_of(blocks)
    assert "mlp · sgd · torch 2.12.0" in text
    assert "mlp · sgd · torch 2.13.0" in text
    assert "gradbench" not in text
    assert "torch" not in text_of(blocks[:1])


def test_threads_are_named_where_there_are_several() -> None:
    base = timed("base", 4e-5, 1.0, role="baseline")
    blocks = [{**base, "block": str(threads), "threads": threads} for threads in (1, 2)]
    text = text_of(blocks)
    assert "mlp · sgd · 1 thread " in text
    assert "mlp · sgd · 2 threads" in text
    assert "thread" not in text_of(blocks[:1])


def test_options_are_named_and_stand_in_one_order() -> None:
    base = timed("base", 4e-5, 1.0, role="baseline")
    asked = [("mlp_wide", "", 2), ("mlp_wide", "", 1), ("mlp", "model.width=1024", 1)]
    asked += [("mlp", "model.width=64", 2), ("mlp", "model.width=64", 1)]
    blocks = [
        {**base, "block": f"{n}", "model": model, "options": options, "threads": threads}
        for n, (model, options, threads) in enumerate(asked)
    ]
    text = text_of(blocks)
    headings = [line.split("│")[1].strip() for line in text.splitlines() if "│" in line]
    assert headings == [
        "mlp · sgd · model.width=64 · 1 thread",
        "mlp · sgd · model.width=64 · 2 threads",
        "mlp · sgd · model.width=1024 · 1 thread",
        "mlp_wide · sgd · 1 thread",
        "mlp_wide · sgd · 2 threads",
    ]


def test_a_long_heading_gives_way_to_the_figures() -> None:
    options = " ".join(f"model.option_{n}=1024" for n in range(9))
    text = text_of([timed("base", 4e-5, 1.0, role="baseline", options=options)])
    assert "40.0 µs" in text
    assert "…" not in text


def test_blocks_of_one_question_are_told_by_their_run() -> None:
    base = timed("base", 4e-5, 1.0, role="baseline")
    text = text_of([{**base, "run": run} for run in ("first", "second")])
    assert "mlp · sgd · run first" in text
    assert "mlp · sgd · run second" in text
    assert "run " not in text_of([{**base, "run": "first"}])


def test_a_speedup_without_an_upper_end_is_not_shown_as_one() -> None:
    open_ended = timed("fast", 2e-5, 2.0) | {"speedup_low": 1.5, "speedup_high": math.inf}
    rows = [timed("base", 4e-5, 1.0, role="baseline"), timed("sure", 3e-5, 1.3), open_ended]
    [table] = summary_tables(pd.DataFrame(rows))
    styles = {str(cell): cell.style for cell in table.columns[4].cells if isinstance(cell, Text)}
    assert styles["1.30"] == "bold"
    assert styles["2.0"] == "dim"


def test_failed_block_without_a_single_figure() -> None:
    failed = [row("base", role="baseline", status="failed", device_name=None)]
    assert "failed" in text_of(failed)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.5, "1.50 s"),
        (0.0381, "38.1 ms"),
        (1.234e-4, "123 µs"),
        (5e-8, "50.0 ns"),
        (3e-10, "0.300 ns"),
        (0.0, "0 ns"),
        (None, ""),
        (math.nan, ""),
    ],
)
def test_seconds_have_three_figures_and_a_unit(seconds: float | None, text: str) -> None:
    assert format_seconds(seconds) == text


def test_every_row_has_its_verdict_and_the_margin_is_said() -> None:
    wide = timed("wide", 2e-5, 2.0) | {"speedup_low": 1.04, "speedup_high": 3.0}
    near = timed("near", 4e-5, 1.01)
    text = text_of([timed("base", 4e-5, 1.0, role="baseline"), wide, near])
    told = {
        name: next(line for line in text.splitlines() if f"│ {name} " in line)
        for name in ("wide", "near")
    }
    assert "unclear" in told["wide"]
    assert " 2.0 " in told["wide"]
    assert "same" in told["near"]
    assert "same: within 5 % of the baseline's update" in text


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ({"contended": True}, "most of its samples were disturbed"),
        ({"contention": "other processes used 1.0 of 2", "contended": False}, "other processes"),
    ],
)
def test_a_contended_block_is_marked_and_says_why(seen: dict[str, Any], why: str) -> None:
    base = timed("base", 4e-5, 1.0, role="baseline")
    text = text_of([base | seen, timed("fast", 2e-5, 2.0) | seen])
    assert "mlp · sgd · contended" in text
    assert f"contended: mlp · sgd: {why}" in text
    assert "contended" not in text_of([base | {"contended": False}])


def test_without_a_baseline_there_is_a_time_and_no_speedup() -> None:
    text = text_of(
        [
            row("base", role="baseline", status="failed", reason="RuntimeError: none"),
            timed("fast", 2e-5, math.nan, noise_floor=None),
        ]
    )
    [fast] = [line for line in text.splitlines() if "│ fast " in line]
    assert "20.0 µs" in fast
    assert "nan" not in fast


def test_parameters_that_are_left_out_are_said_once_for_each_model() -> None:
    cells = [
        row("a", untrained=2, model="routed"),
        row("b", untrained=2, model="routed"),
        row("a", untrained=0, model="whole"),
        row("a", model="older"),
    ]
    assert status_lines(pd.DataFrame(cells)) == [
        "4 ok",
        "routed: 2 tensors never get a gradient and are left out",
    ]


def test_reasons_are_counted() -> None:
    rows = [
        row("a"),
        row("b", status="skipped", reason="needs CUDA"),
        row("c", status="skipped", reason="needs CUDA"),
        row("d", status="approximate"),
        row("t", role="twin"),
    ]
    counted = ["1 ok", "1 approximate", "2 skipped", "  2 × needs CUDA"]
    assert status_lines(pd.DataFrame(rows)) == counted
