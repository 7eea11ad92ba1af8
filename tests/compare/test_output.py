"""What is printed of a comparison, and what makes it fail."""

import json
import math
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

import gradbench
from gradbench.cli.shares import parse_share
from gradbench.compare.gate import check_decidable, failures
from gradbench.compare.result import FIGURES
from gradbench.compare.screen import render
from gradbench.compare.sections import changed_counts, format_interval, format_ratio
from gradbench.compare.text import as_json, markdown
from gradbench.errors import BadRequest
from tests.compare.runs import TIMES, rows

BASE = rows({**TIMES, "data": 1e-5, "detach": 1e-5})


def other(**factors: float) -> list[dict[str, Any]]:
    times = {name: seconds * factors.get(name, 1.0) for name, seconds in TIMES.items()}
    return rows({**times, "compiled_per_tensor": 1e-5}, run="s")


def compare(base: list[dict[str, Any]], second: list[dict[str, Any]], **how: Any) -> pd.DataFrame:
    return gradbench.compare(pd.DataFrame(base), pd.DataFrame(second), **how)


def screen(frame: pd.DataFrame, width: int = 120, by: str = "time") -> str:
    console = Console(width=width, file=StringIO(), record=True)
    console.print(render(frame, by=by, width=width))
    return console.export_text()


def test_the_screen_shows_the_slowest_first_and_everything_else_below() -> None:
    text = screen(compare(BASE, other(foreach=1.3, flat=0.5)))
    lines = text.splitlines()
    cells = [line.split()[0] for line in lines if line.startswith("  ") and "µs" in line]
    assert cells == ["foreach/set_to_none", "optimizer/set_to_none", "flat/set_to_none"]
    assert "20.0 µs  26.0 µs   1.30" in text
    assert "by time: 1 slower, 1 faster, 1 same" in text
    assert "by baseline: 1 slower, 1 faster" in text
    assert "per bandwidth  per baseline" in text
    below = text[text.index("not compared, only in BASE") :]
    assert "mlp · sgd · float32 · 2 threads: data/set_to_none, detach/set_to_none" in below
    assert "compiled_per_tensor/set_to_none" in below


def test_a_narrow_screen_keeps_every_line_of_a_cell_whole() -> None:
    base = rows({**TIMES, "optimizer_for_loop": 3e-5})
    second = rows({**TIMES, "optimizer_for_loop": 4e-5}, run="s")
    lines = screen(compare(base, second), width=80).splitlines()
    assert max(map(len, lines)) <= 80
    (line,) = [line for line in lines if "optimizer_for_loop" in line]
    for part in ("30.0 µs", "40.0 µs", "1.33", "slower"):
        assert part in line


def test_a_block_of_which_nothing_matches_is_named_once() -> None:
    text = screen(compare([*BASE, *rows(TIMES, rule="adamw")], other()))
    assert "mlp · adamw · float32 · 2 threads: 3 cells" in text


def test_counts_are_facts() -> None:
    second = other()
    second[1] |= {"launches": 7, "peak_extra_bytes": 4096}
    second[2] |= {"launches": 5}
    frame = compare(BASE, second)
    cell = "mlp · sgd · float32 · 2 threads · {}/set_to_none"
    foreach, flat = cell.format("foreach"), cell.format("flat")
    assert changed_counts(frame) == [
        {"cell": foreach, "count": "launches", "base": 6, "other": 7},
        {"cell": foreach, "count": "peak_extra_bytes", "base": 0, "other": 4096},
        {"cell": flat, "count": "launches", "base": 6, "other": 5},
    ]
    assert "counts that differ" in screen(frame)
    found = failures(frame, by="time", slower=None, counts=True, missing=False)
    assert found == [f"{foreach}: launches 6 → 7", f"{foreach}: peak_extra_bytes 0 → 4096"]
    for row in second:
        row |= {"device": "cuda", "host": "i"}
    assert changed_counts(compare(BASE, second)) == []  # operators are no kernels


def test_only_an_interval_above_the_limit_fails() -> None:
    frame = compare(BASE, other(foreach=1.06, flat=1.3), margin=0.03)
    assert set(frame["verdict"].dropna()) == {"slower", "same"}

    def failed(limit: float, by: str = "time") -> list[str]:
        lines = failures(frame, by=by, slower=limit, counts=False, missing=False)
        return [line.split(" · ")[-1].split(":")[0] for line in lines]

    assert failed(0.05) == ["flat/set_to_none"]  # 1.06 ± 1 % might be less than 1.05
    assert failed(0.02) == ["foreach/set_to_none", "flat/set_to_none"]
    assert failed(0.5) == []
    assert failed(0.05, "baseline") == ["flat/set_to_none"]
    unsure = compare(BASE, rows({**TIMES, "flat": 1.3e-5}, run="s", half=0.5))
    assert failures(unsure, by="time", slower=0.05, counts=False, missing=False) == []


def test_missing_cells_fail_only_where_asked() -> None:
    frame = compare(BASE, other())
    assert failures(frame, by="time", slower=0.0, counts=True, missing=False) == []
    lost = failures(frame, by="time", slower=None, counts=False, missing=True)
    assert [line.split(" · ")[-1] for line in lost] == [
        "data/set_to_none: only in BASE",
        "detach/set_to_none: only in BASE",
    ]


def test_a_figure_that_decides_nothing_is_refused() -> None:
    frame = compare(BASE, other())
    check_decidable(frame, "time")
    check_decidable(frame, "baseline")
    with pytest.raises(BadRequest, match=r"--by bandwidth.*one machine"):
        check_decidable(frame, "bandwidth")
    lone = compare(rows({"optimizer": 1e-5}), rows({"optimizer": 1e-5}, run="s"))
    with pytest.raises(BadRequest, match=r"--by baseline"):
        check_decidable(lone, "baseline")


@pytest.mark.parametrize(
    ("text", "share"),
    [("5%", 0.05), ("0.05", 0.05), ("0", 0.0), (".5", 0.5), ("12.5 %", 0.125), ("1000%", 10.0)],
)
def test_shares(text: str, share: float) -> None:
    assert parse_share(text, "--margin") == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "five", "-5%", "1e9", "11", "nan", "\u0665%", "5%%"])
def test_no_shares(text: str) -> None:
    with pytest.raises(BadRequest, match=r"--margin .*5% or 0.05"):
        parse_share(text, "--margin")


def test_json_holds_every_column_and_no_nan() -> None:
    second = other(flat=2.0)
    for row in second:
        row |= {"speedup_low": 0.0, "speedup_high": math.inf}
    frame = compare(BASE, second)
    content = json.loads(as_json(frame, by="time", failures=["x"]), parse_constant=lambda c: 1 / 0)
    assert content["failures"] == ["x"]
    assert content["base"]["run"] == ["r"]
    assert [cell["cell"] for cell in content["cells"]] == list(frame["cell"])
    flat = next(cell for cell in content["cells"] if cell["strategy"] == "flat")
    assert set(frame.columns) == set(flat)
    assert flat["ratio"] == pytest.approx(2.0)
    assert flat["relative_ratio_high"] is None
    assert flat["threads"] == 2
    assert flat["verdict"] == "slower"


def test_markdown_shows_strings_as_they_are() -> None:
    nasty = "m|l<b>p_x_ `*@me\n# h"
    frame = compare(rows(TIMES, model=nasty), rows({**TIMES, "flat": 2e-5}, model=nasty, run="s"))
    text = markdown(frame, by="time", failures=["flat is slower"])
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {9}
    assert len(table) == 2 + 3
    assert "<b>" not in text
    assert "@me" not in text
    assert "**slower**" in text
    assert "- flat is slower" in text
    assert "p_x&#95; &#96;&#42;&#64;me &#35; h" in text


@pytest.mark.parametrize(
    ("figures", "ratio", "interval"),
    [
        ((1.0, 0.98, 1.04), "1.00", "0.98 – 1.04"),
        ((1.23, 1.0, 1.5), "1.2", "1.0 – 1.5"),
        ((0.0123, 0.0122, 0.0124), "0.0123", "0.0122 – 0.0124"),
        ((123.4, 122.0, 125.0), "123", "122 – 125"),
        ((1.23, 0.0, math.inf), "1.2", "unknown"),
        ((None, None, None), "", ""),
    ],
)
def test_ratios_are_written_with_the_digits_that_are_known(
    figures: tuple[float | None, ...], ratio: str, interval: str
) -> None:
    time = FIGURES["time"]
    row = dict(zip((time.column, time.low, time.high), figures, strict=True))
    assert format_ratio(row, time) == ratio
    assert format_interval(row, time) == interval


def test_left_out_files_are_in_the_json(tmp_path: Path) -> None:
    from tests.compare.runs import write

    folder = write(tmp_path / "r", BASE)
    (folder / "cells" / "x.parquet").write_bytes(b"")
    frame = gradbench.compare(folder, pd.DataFrame(other()))
    (line,) = json.loads(as_json(frame, by="time", failures=[]))["left_out"]
    assert "x.parquet: empty" in line
