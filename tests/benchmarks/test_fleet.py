"""A report of ten million cells of ten thousand machines: at most 60 s and 4 GB."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gradbench.results.files import find_files, readable_files
from tests.benchmarks.generated_fleet import write_fleet

HOSTS, CELLS = 10_000, 1_000
MOST_S, MOST_BYTES = 60, 4e9

_REPORT = """
import json, resource, sys, time
start = time.perf_counter()
from gradbench.report.publish import report
made = report(sys.argv[1], sys.argv[2])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"wall_s": time.perf_counter() - start, "peak_bytes": peak,
                  "cells": int(made.content.fleet.blocks["cells"].sum())}))
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.4 GB of files, a folder for each machine."""
    return write_fleet(tmp_path_factory.mktemp("fleet"), HOSTS, CELLS)


@pytest.mark.timeout(1800)
def test_report_of_ten_million_cells(fleet: Path, tmp_path: Path, benchmark: Any) -> None:
    command = [sys.executable, "-c", _REPORT, str(fleet), str(tmp_path)]
    done = benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True, text=True), rounds=1
    )
    seen = json.loads(done.stdout)
    print(seen)
    benchmark.extra_info.update(seen)
    assert seen["cells"] == HOSTS * CELLS
    assert seen["wall_s"] <= MOST_S
    assert seen["peak_bytes"] <= MOST_BYTES


@pytest.mark.timeout(1800)
def test_listing_and_checking(fleet: Path, benchmark: Any) -> None:
    start = time.perf_counter()
    assert len(find_files(fleet, "cells")) == HOSTS
    benchmark.extra_info["listing_s"] = time.perf_counter() - start
    found = benchmark.pedantic(lambda: readable_files(fleet, "cells"), rounds=1)
    assert (found.rows, found.left_out) == (HOSTS * CELLS, [])
