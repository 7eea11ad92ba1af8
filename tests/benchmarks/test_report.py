"""A report of ten million samples: at most ten seconds and two gigabytes."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradbench.results.checksum import seal
from gradbench.results.schema import arrow_schema
from gradbench.results.store import _parquet
from tests.report.stored import STRATEGIES, ZEROINGS, write_run

SAMPLES = 10_000_000
MODELS = tuple(f"model_{number}" for number in range(8))
RULES = ("sgd", "momentum", "adamw")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight models under three rules, with the samples of a very long run."""
    folder = tmp_path_factory.mktemp("results")
    store = write_run(folder, "long", models=MODELS, rules=RULES)
    cells = [f"{strategy}/{zeroing}" for strategy in STRATEGIES for zeroing in ZEROINGS]
    files = sorted((store.folder / "samples").iterdir())
    rows = SAMPLES // len(files)
    generator = np.random.default_rng(0)
    for file in files:
        columns = {
            "cell": np.resize(np.array(cells, dtype=object), rows),
            "protocol": np.where(np.arange(rows) % 2, "isolated", "training"),
            **{"replicate": np.arange(rows) % 8, "round": np.arange(rows) // 8},
            **{"phase": ["update"] * rows, "calls": np.full(rows, 4)},
            "seconds": generator.lognormal(-8, 0.1, rows),
            "disturbed": generator.random(rows) < 0.1,
        }
        first = pq.read_table(file).slice(0, 1)  # which run, block and host it is
        schema = arrow_schema("samples")
        arrays: list[Any] = [
            pa.array(columns[kind.name])
            if kind.name in columns
            else pa.repeat(first[kind.name][0], rows)
            for kind in schema
        ]
        table = pa.table(
            [a.cast(f.type) for a, f in zip(arrays, schema, strict=True)], schema=schema
        )
        file.write_bytes(seal(_parquet(table)))
    return folder


def test_ten_million_samples(results: Path, tmp_path: Path, benchmark: Any) -> None:
    command = [sys.executable, "-m", "gradbench", "report", str(results), "--output", str(tmp_path)]
    benchmark.pedantic(lambda: subprocess.run(command, check=True), rounds=1)
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    benchmark.extra_info["peak_bytes"] = kilobytes * 1024
    print(f"peak {kilobytes / 1e6:.2f} GB")
