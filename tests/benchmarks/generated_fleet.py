"""Rows of a fleet that does not exist, in the store's own layout.

`python -m tests.benchmarks.generated_fleet FOLDER HOSTS CELLS BLOCKS` writes them.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gradbench.results.checksum import seal
from gradbench.results.schema import arrow_schema
from gradbench.results.store import _parquet

KINDS = (
    ("cpu", "Xeon 3000", None, 3.2e9),
    ("cuda", "Accelerator A", "550.54", 1.41e9),
    ("cuda", "Accelerator B", "570.86", 1.98e9),
    ("cuda", "Accelerator B", "575.51", 1.98e9),
)
"""Device, name, driver and clock; the last two differ in the driver alone."""

TORCH = ("2.12.1", "2.13.0")
STRATEGIES = tuple(f"strategy_{number:02d}" for number in range(20))
RULES = ("sgd", "momentum", "adam", "adamw", "nesterov")


def write_fleet(folder: Path, hosts: int, cells: int, blocks: int = 1) -> Path:
    """Write a run of each host: `cells` rows in `blocks` files, and a row of `runs`."""
    templates = [_template(number, cells // blocks) for number in range(blocks)]
    generator = np.random.default_rng(0)
    for number in range(hosts):
        host = f"node-{number:05d}"
        place = folder / host / "fleet"
        (place / "cells").mkdir(parents=True)
        device, name, driver, clock = KINDS[number % len(KINDS)]
        torch = TORCH[number // len(KINDS) % len(TORCH)]
        speed = generator.lognormal(0, 0.05) * (3.0 if number == 17 else 1.0)  # a slow one
        for part, template in enumerate(templates):
            block = f"{host}-{device}-block{part}-float32-{part:08x}"
            size = template.num_rows
            seconds = template["update_s"].to_numpy() * speed
            seconds = seconds * generator.lognormal(0, 0.02, size)
            given: dict[str, Any] = {
                **{"run": "fleet", "host": host, "block": block, "device": device},
                **{"device_name": name, "driver": driver, "clock_hz": clock},
                **{"torch_version": torch, "update_s": seconds},
                **{"update_s_low": seconds / 1.01, "update_s_high": seconds * 1.01},
            }
            _write(place / "cells" / f"{block}.parquet", "cells", template, given)
        runs = arrow_schema("runs").empty_table()
        row = {"run": "fleet", "host": host, "started_at": "2026-01-01T00:00:00+00:00"}
        row |= {"state": "done", "torch_version": torch}
        runs = pa.Table.from_pylist([row], schema=runs.schema)
        (place / "runs").mkdir()
        (place / "runs" / f"{host}.parquet").write_bytes(seal(_parquet(runs)))
    return folder


def _template(part: int, cells: int) -> pa.Table:
    """Make a block's rows: strategies, the first zeroing first, and two controls."""
    schema = arrow_schema("cells")
    generator = np.random.default_rng(part)
    asked = cells - 2
    strategies = [STRATEGIES[i % len(STRATEGIES)] for i in range(asked)] + [STRATEGIES[0], ""]
    zeroings = [f"zeroing_{i // len(STRATEGIES):02d}" for i in range(asked)] + ["zeroing_00", ""]
    names = [f"{s}/{z}" for s, z in zip(strategies, zeroings, strict=True)][:asked]
    factor = np.array([1 + STRATEGIES.index(s) / 10 if s else 1.0 for s in strategies])
    seconds = 1e-4 * (1 + part) / factor
    wrong = np.array([s == STRATEGIES[-1] for s in strategies])
    columns: dict[str, Any] = {
        "cell": [*names, "twin", "bandwidth"],
        "role": ["baseline", *["candidate"] * (asked - 1), "twin", "bandwidth"],
        **{"model": f"model_{part // len(RULES)}", "rule": RULES[part % len(RULES)]},
        **{"dtype": "float32", "threads": 2, "seed": 0, "cache": "hot", "design": "product"},
        **{"strategy": strategies, "zeroing": zeroings},
        "status": np.where(wrong, "wrong", "ok"),
        "reason": [("off by 9 ulp" if w else None) for w in wrong],
        **{"parameters": 10_000 * (1 + part), "tensors": 4 + part},
        "update_s": seconds,
        "update_host_s": seconds,
        "zero_s": generator.lognormal(-13, 0.1, cells),
        **{f"{phase}_s": generator.lognormal(-9, 0.1, cells) for phase in ("forward", "backward")},
        "training_update_s": seconds * 1.1,
        "training_zero_s": generator.lognormal(-13, 0.1, cells),
        "step_s": seconds + generator.lognormal(-8, 0.1, cells),
        **{"speedup": factor, "speedup_low": factor / 1.01, "speedup_high": factor * 1.01},
        **{"noise_floor": 0.01, "rounds": 100, "replicates": 12, "disturbed": 1},
        **{"contended": False, "converged": True, "stopped_by": "precision"},
        "max_ulp_error": generator.random(cells),
        **{"tolerance_ulps": 4.0, "verified_elements": 10_000, "launches": 12},
        **{"peak_extra_bytes": 4096, "traffic_bytes": 120_000 * (1 + part)},
        "bandwidth_bytes_per_s": 1e9 / seconds,
        **{"ceiling_bytes_per_s": 1e10, "roofline_fraction": 0.5, "bottleneck": "dispatch"},
        **{"gradbench_version": "0.1.0", "recorded_at": "2026-01-01T00:00:00+00:00"},
    }
    return _table(schema, cells, columns)


def _table(schema: pa.Schema, rows: int, columns: dict[str, Any]) -> pa.Table:
    arrays = []
    for kind in schema:
        value = columns.get(kind.name)
        many = isinstance(value, list | np.ndarray)
        arrays.append(
            pa.array(value, kind.type, from_pandas=True)
            if many
            else pa.repeat(pa.scalar(value, kind.type), rows)
        )
    return pa.table(arrays, schema=schema)


def _write(path: Path, table: str, template: pa.Table, given: dict[str, Any]) -> None:
    schema, arrays = template.schema, []
    for kind, column in zip(schema, template.columns, strict=True):
        value = given.get(kind.name)
        if kind.name not in given:
            arrays.append(column)
        elif isinstance(value, np.ndarray):
            arrays.append(pa.array(value, kind.type))
        else:
            arrays.append(pa.repeat(pa.scalar(value, kind.type), template.num_rows))
    path.write_bytes(seal(_parquet(pa.table(arrays, schema=schema))))


if __name__ == "__main__":
    write_fleet(Path(sys.argv[1]), *map(int, sys.argv[2:]))
