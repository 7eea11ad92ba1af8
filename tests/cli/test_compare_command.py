"""``compare``, ``runs`` and ``summary`` as commands, in this process."""

import json
from pathlib import Path

import pytest

from gradbench.cli.main import main
from gradbench.results.store import Store
from tests.compare.runs import TIMES, rows, write

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("results/a"), rows(TIMES, run="a"))
    write(Path("results/b"), rows({**TIMES, "flat": 1.4e-5}, run="b"))


def test_compare_prints_and_exits_0(capsys: Captured) -> None:
    assert main(["compare", "results/a", "results/b"]) == 0
    answer = capsys.readouterr()
    assert "1 slower, 2 same" in answer.out
    assert answer.err == ""


def test_a_regression_exits_1_and_is_named(capsys: Captured) -> None:
    command = ["compare", "results/a", "results/b", "--fail-slower"]
    assert main([*command, "5%"]) == 1
    error = capsys.readouterr().err
    assert "flat/set_to_none: 1.400 times BASE's, at least 1.38" in error
    assert error.count("\n") == 1
    assert main([*command, "50%"]) == 0
    assert main(["compare", "results/b", "results/a", "--fail-slower", "5%"]) == 0
    assert main([*command, "5%", "--by", "baseline"]) == 1


@pytest.mark.parametrize("form", ["markdown", "json"])
def test_other_formats_go_to_standard_output_alone(capsys: Captured, form: str) -> None:
    command = ["compare", "@run=a", "@run=b", "--format", form, "--fail-slower", "5%"]
    assert main(command) == 1
    out = capsys.readouterr().out
    if form == "json":
        assert len(json.loads(out)["failures"]) == 1
    else:
        assert "| **slower** |" in out


def test_what_cannot_be_compared_says_why(capsys: Captured) -> None:
    """Older files do not say in which options they differ."""
    write(Path("results/wide"), rows(TIMES, run="wide", parameters=200))
    assert main(["compare", "results/a", "results/wide"]) == 2
    error = capsys.readouterr().err
    assert "not the same model: 100 parameters against 200" in error
    assert "choose another" not in error
    for run, width in (("narrow", 64), ("wide", 1024)):
        write(Path(f"results/{run}"), rows(TIMES, run=run, options=f"model.width={width}"))
    assert main(["compare", "results/narrow", "results/wide"]) == 2
    error = capsys.readouterr().err
    assert "BASE has options model.width=64, OTHER model.width=1024" in error
    assert main(["compare", "@options=model.width=64", "results/wide", "--across", "options"]) == 0


def test_counts_and_missing_cells_fail_where_asked(capsys: Captured) -> None:
    write(Path("results/c"), rows({"optimizer": 4e-5, "foreach": 2e-5}, run="c", launches=9))
    assert main(["compare", "@run=a", "@run=c"]) == 0
    assert main(["compare", "@run=a", "@run=c", "--fail-counts"]) == 1
    assert "launches 6 → 9" in capsys.readouterr().err
    assert main(["compare", "@run=a", "@run=c", "--fail-missing"]) == 1
    assert "flat/set_to_none: only in BASE" in capsys.readouterr().err


def test_a_file_left_out_is_named_and_exits_1(capsys: Captured) -> None:
    Path("results/b/cells/x.parquet").write_bytes(b"PAR1")
    for command in (["compare", "results/a", "results/b"], ["runs"], ["summary"]):
        assert main(command) == 1, command
        answer = capsys.readouterr()
        assert answer.out
        (line,) = answer.err.splitlines()
        assert line.startswith("gradbench: left out ")
        assert "x.parquet: cut short" in line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["compare"], ["BASE"]),
        (["compare", "results/a"], ["OTHER"]),
        (["compare", "results/a", "nowhere"], ["nowhere"]),
        (["compare", "results", "results/a"], ["run a, b", "--several"]),
        (["compare", "results/a", "results/b", "--by", "hope"], ["time", "bandwidth", "baseline"]),
        (["compare", "results/a", "results/b", "--by", "bandwidth"], ["one machine"]),
        (["compare", "results/a", "results/b", "--margin", "x"], ["5%"]),
        (["compare", "results/a", "results/b", "--fail-slower", "-1"], ["5%"]),
        (["compare", "results/a", "results/b", "--across", "colour"], ["rule", "dtype", "threads"]),
        (["compare", "results/a", "results/b", "--format", "xml"], ["table", "markdown", "json"]),
        (["compare", "results/a", "results/b", "--nonsense"], ["--nonsense"]),
        (["compare", "results/a", "results/b", "results/c"], ["results/c"]),
        (["runs", "nowhere"], ["nowhere"]),
        (["runs", "empty"], ["no runs below empty"]),
        (["summary", "nowhere"], ["nowhere"]),
        (["summary", "empty"], ["no results below empty"]),
        (["summary", "damaged"], ["no results below damaged", "x.parquet: empty"]),
    ],
)
def test_wrong_requests_get_one_message(
    capsys: Captured, arguments: list[str], named: list[str]
) -> None:
    Path("empty").mkdir()
    Path("damaged/cells").mkdir(parents=True)
    Path("damaged/cells/x.parquet").write_bytes(b"")
    assert main(arguments) == 2
    answer = capsys.readouterr()
    assert answer.out == ""
    (line,) = answer.err.splitlines()
    assert line.startswith("gradbench: ")
    for word in named:
        assert word in line


def test_a_wrong_choice_is_told_the_choices(capsys: Captured) -> None:
    for option, choices in (("--by", "time, bandwidth, baseline"), ("--across", "model, rule")):
        assert main(["compare", "results/a", "results/b", option, "hope"]) == 2
        assert f"gradbench: {option} hope: choose from {choices}" in capsys.readouterr().err
    assert main(["predict", "--tensors", "3", "--parameters", "3", "--threads", "x"]) == 2
    assert ". See python -m gradbench predict --help." in capsys.readouterr().err


def test_runs_says_how_far_each_came(capsys: Captured) -> None:
    record = {"host": "h", "wall_s": 61.0, "blocks": 1, "configuration": "{}"}
    for name, state in (("a", "done"), ("b", "running")):
        began = "2026-01-01T00:00:00+00:00"
        row = {**record, "run": name, "state": state, "started_at": began}
        Store(Path("results") / name).write("runs", "x", [row])
    write(Path("results/c"), rows(TIMES, run="c", status="failed", update_s=None))
    row = {**record, "run": "c", "state": "failed", "started_at": "2026-02-01", "blocks": 3}
    Store(Path("results/c")).write("runs", "x", [row])
    Store(Path("results/d")).write("samples", "half", [])
    assert main(["runs"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert "complete" in lines["a"]
    assert "1 of 1" in lines["a"]
    assert "3 ok" in lines["a"]
    assert "0:01:01" in lines["a"]
    assert "cpu Chip" in lines["a"]
    assert "torch 2.13.0" in lines["a"]
    assert "incomplete: running or killed" in lines["b"]
    assert "incomplete: failed" in lines["c"]
    assert "3 failed" in lines["c"]
    assert main(["runs", "--format", "json"]) == 0
    content = {Path(run["folder"]).name: run for run in json.loads(capsys.readouterr().out)}
    assert content["a"]["cells"] == {"ok": 3}
    assert content["a"]["rows"] == {"cells": 4, "runs": 1}
    assert content["d"]["asked"] is None
    assert content["d"]["state"] == "incomplete: no record, 1 half-written"
