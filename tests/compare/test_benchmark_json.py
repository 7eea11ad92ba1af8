"""Files of pytest-benchmark on either side, written by pytest-benchmark itself."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gradbench
from gradbench.compare.benchmark_json import read_benchmarks
from gradbench.errors import BadRequest
from tests.compare.runs import rows, write

BENCHMARKS = """
import pytest, time

@pytest.mark.parametrize("strategy", ["foreach", "optimizer"])
@pytest.mark.parametrize(("model", "rule"), [("mlp", "sgd")])
def test_update(benchmark, model, rule, strategy):
    benchmark.extra_info.update(zeroing="set_to_none", dtype="float32", threads=2)
    benchmark(time.sleep, 1e-4)

def test_other(benchmark):
    benchmark(time.sleep, 1e-4)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("benchmarks")
    (folder / "test_it.py").write_text(BENCHMARKS)
    command = [sys.executable, "-m", "pytest", "-q", "test_it.py", "-p", "no:cacheprovider"]
    options = ["--benchmark-json=data.json", "--benchmark-min-rounds=20"]
    # In a worker of pytest-xdist, pytest-benchmark measures nothing.
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_XDIST")}
    subprocess.run(
        [*command, *options, "--benchmark-max-time=0.02"],
        cwd=folder,
        env=own,
        check=True,
        capture_output=True,
    )
    content = json.loads((folder / "data.json").read_text())
    for benchmark in content["benchmarks"]:  # as --benchmark-save has it
        del benchmark["stats"]["data"]
    (folder / "summary.json").write_text(json.dumps(content))
    return {name: folder / f"{name}.json" for name in ("data", "summary")}


@pytest.mark.parametrize("name", ["data", "summary"])
def test_times_and_intervals_of_real_files(written: dict[str, Path], name: str) -> None:
    found = read_benchmarks(written[name]).set_index("name")
    assert len(found) == 3
    row = found.loc["test_it.py::test_update[mlp-sgd-foreach]"]
    assert (row["model"], row["rule"], row["strategy"]) == ("mlp", "sgd", "foreach")
    assert (row["zeroing"], row["dtype"], row["threads"]) == ("set_to_none", "float32", 2)
    assert pd.isna(found.loc["test_it.py::test_other"]["model"])
    for low, middle, high in zip(
        found["update_s_low"], found["update_s"], found["update_s_high"], strict=True
    ):
        assert 1e-4 <= low < middle < high < 1e-2
    assert read_benchmarks(written[name])["replicates"].min() >= 10


def test_two_files_are_compared_by_name(written: dict[str, Path]) -> None:
    found = gradbench.compare(written["summary"], written["data"])
    assert len(found) == 3
    assert "test_it.py::test_other" in set(found["cell"])
    assert found["reason"].isna().all()
    assert found["verdict"].notna().all()
    assert found["relative_ratio"].isna().all()
    assert "no twin" in found.attrs["remarks"][0]
    same = gradbench.compare(written["data"], written["data"])
    assert set(same["verdict"]) == {"same"}


def test_a_file_is_compared_with_cells(written: dict[str, Path], tmp_path: Path) -> None:
    run = write(tmp_path / "r", rows({"optimizer": 3e-3, "foreach": 1e-6, "flat": 1e-6}))
    for base, other, slow, fast in (
        (run, written["data"], "slower", "faster"),
        (written["data"], run, "faster", "slower"),
    ):
        found = gradbench.compare(base, other).set_index("cell")
        title = "mlp · sgd · float32 · 2 threads · {}/set_to_none"
        assert found["verdict"][title.format("foreach")] == slow
        assert found["verdict"][title.format("optimizer")] == fast
        side = "BASE" if base == written["data"] else "OTHER"
        assert found["reason"]["test_it.py::test_other"] == f"only in {side}"
        assert found["reason"][title.format("flat")].startswith("only in")


def test_a_cell_is_ambiguous_where_the_file_does_not_say(tmp_path: Path) -> None:
    run = [*rows({"optimizer": 1e-5}), *rows({"optimizer": 1e-5}, dtype="float64", block="c")]
    file = stored(tmp_path, params={"model": "mlp", "rule": "sgd", "strategy": "optimizer"})
    with pytest.raises(BadRequest, match=r"2 measurements .*dtype float32, float64.*BASE@KEY"):
        gradbench.compare(pd.DataFrame(run), file)
    assert len(gradbench.compare(pd.DataFrame(run[:2]), file)) == 1


def stored(folder: Path, **fields: Any) -> Path:
    stats = {"median": 1e-3, "rounds": 50, "iqr": 1e-5, **fields.pop("stats", {})}
    benchmark = {"name": "t", "fullname": "f::t", "stats": stats, **fields}
    file = folder / "b.json"
    file.write_text(json.dumps({"benchmarks": [benchmark]}))
    return file


def test_one_round_says_nothing_of_its_error(tmp_path: Path) -> None:
    for stats in ({"rounds": 1, "iqr": 0}, {"data": [1e-3]}):
        row = read_benchmarks(stored(tmp_path, stats=stats)).iloc[0]
        assert (row["update_s_low"], row["update_s_high"]) == (0.0, math.inf)


def test_intervals_cover_the_median_of_normal_rounds() -> None:
    from gradbench.compare.benchmark_json import _interval

    rng = np.random.default_rng(0)
    covered = {"data": 0, "summary": 0}
    for _ in range(400):
        data = rng.normal(1e-3, 5e-5, 60)
        quartiles = np.quantile(data, [0.25, 0.5, 0.75])
        summary = {"median": quartiles[1], "iqr": quartiles[2] - quartiles[0], "rounds": 60}
        for name, stats in (("data", {"data": list(data)}), ("summary", summary)):
            interval = _interval(stats)
            covered[name] += interval.low <= 1e-3 <= interval.high
    assert min(covered.values()) / 400 >= 0.915  # three standard errors below 0.95 are 0.917


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no file of pytest-benchmark"),
        ("[]", "is no file of pytest-benchmark"),
        ('{"benchmarks": 3}', "is no file of pytest-benchmark"),
        ('{"a": 1}', "no 'benchmarks'"),
        ('{"benchmarks": []}', "holds no benchmark"),
        ('{"benchmarks": [{"name": "t"}]}', "no 'stats'"),
        (
            '{"benchmarks": [{"name": "t", "stats": {"median": 0, "rounds": 3}}]}',
            "no time",
        ),
        ('{"benchmarks": [{"name": "t", "stats": {"data": [1, -1]}}]}', "no time"),
        ('{"benchmarks": [{"name": "t", "stats": {"data": ["x"]}}]}', "is no file"),
        ("\udcff", "is no file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "b.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(BadRequest, match=message):
        gradbench.compare(file, file)
