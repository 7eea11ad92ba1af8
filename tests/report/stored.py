"""Stored runs for the tests of reports: small, made up, without torch."""

from pathlib import Path
from typing import Any

from gradbench.results.schema import TABLES
from gradbench.results.store import Store

STRATEGIES = {"optimizer": 1.0, "foreach": 2.5, "flat": 4.0, "data": 1.01, "broken": 50.0}
"""Speedup of each; `data` is within the noise floor, `broken` is wrong."""

ZEROINGS = ("set_to_none", "set_to_zero")


def write_run(
    folder: Path,
    run: str = "first",
    models: tuple[str, ...] = ("mlp", "conv"),
    rules: tuple[str, ...] = ("sgd", "adamw"),
    device: str = "cpu",
    device_name: str = "Chip 3000",
    recorded_at: str = "2026-01-01T00:00:00+00:00",
    **figures: Any,
) -> Store:
    """Write a run of complete blocks; figures go into every row of cells."""
    store = Store(folder / run)
    for size, model in enumerate(models, start=1):
        for number, rule in enumerate(rules):
            block = f"host-{device}-{size}-{number}-float32-{size:04x}{number:04x}"
            given = {"model": model, "rule": rule, "device": device, "device_name": device_name}
            identity = {"run": run, "block": block}
            rows = [
                _cell(identity | given, strategy, zeroing, size, recorded_at) | figures
                for strategy in STRATEGIES
                for zeroing in ZEROINGS
            ]
            store.write("samples", block, [s for row in rows for s in _samples(row)])
            store.write("gradients", block, [g for row in rows for g in _gradients(row)])
            store.write("cells", block, [*rows, _skipped(identity | given, recorded_at)])
    run_row = {
        **{"run": run, "host": "host", "started_at": recorded_at, "state": "done"},
        **{"command": "+sweep=all", "blocks": len(models) * len(rules), "wall_s": 10.0},
        **{"platform": "Linux", "cpu_count": 2, "torch_version": "2.13.0"},
        **{"configuration": '{"a": {"lr": 0.1}}'},
    }
    store.write("runs", "host", [run_row])
    return store


def write_observations(folder: Path, rows: list[dict[str, Any]], run: str = "seen") -> None:
    """Write observations; what is no column of the table is left out."""
    known = {column.name for column in TABLES["observations"]}
    full = [
        {"run": run, "device": "cpu", "torch_version": "2.13.0", "host": "host", **row}
        for row in rows
    ]
    Store(folder / run).write(
        "observations", "all", [{k: v for k, v in row.items() if k in known} for row in full]
    )


def _cell(
    given: dict[str, Any], strategy: str, zeroing: str, size: int, recorded_at: str
) -> dict[str, Any]:
    speedup = STRATEGIES[strategy]
    update_s = 1e-4 * 10**size / speedup
    wrong = strategy == "broken"
    is_baseline = strategy == "optimizer" and zeroing == ZEROINGS[0]
    return {
        **given,
        **{"cell": f"{strategy}/{zeroing}", "strategy": strategy, "zeroing": zeroing},
        **{"role": "baseline" if is_baseline else "candidate", "design": "product"},
        **{"status": "wrong" if wrong else "ok", "reason": "off by 9 ulp" if wrong else None},
        **{"dtype": "float32", "threads": 1, "seed": 0, "host": "host", "torch_version": "2.13.0"},
        **{"parameters": 100 * 10**size, "tensors": 4 * size, "recorded_at": recorded_at},
        **{"update_s": update_s, "update_s_low": update_s / 1.02, "update_s_high": update_s * 1.02},
        **{"zero_s": 1e-6, "zero_s_low": 9e-7, "zero_s_high": 1.1e-6},
        **{"forward_s": 2e-4, "backward_s": 4e-4, "training_update_s": update_s},
        **{"training_zero_s": 1e-6, **_step(update_s, 1e-4 * 10**size)},
        **{"speedup": speedup, "speedup_low": speedup / 1.01, "speedup_high": speedup * 1.01},
        **{"noise_floor": 0.02, "rounds": 10, "replicates": 2, "disturbed": 1, "contended": False},
        **{"max_ulp_error": 0.5, "tolerance_ulps": 4.0, "verified_elements": 100},
        **{"launches": 10, "peak_extra_bytes": 1024, "traffic_bytes": 1200 * 10**size},
        **{"bandwidth_bytes_per_s": 1e9, "ceiling_bytes_per_s": 5e9, "roofline_fraction": 0.2},
        "gradbench_version": "0.1.0",
    }


def _step(update_s: float, baseline_s: float) -> dict[str, Any]:
    """Return the figures of a whole step, of which all but the update takes 601 µs."""
    step_s = 6.01e-4 + update_s
    speedup = (6.01e-4 + baseline_s) / step_s
    return {
        **{"step_s": step_s, "step_s_low": step_s / 1.03, "step_s_high": step_s * 1.03},
        **{"step_speedup": speedup, "step_speedup_low": speedup / 1.01},
        **{"step_speedup_high": speedup * 1.01, "step_noise_floor": 0.01, "step_samples": 40},
    }


def _skipped(given: dict[str, Any], recorded_at: str) -> dict[str, Any]:
    return {
        **given,
        **{"cell": "cuda_graph/set_to_none", "strategy": "cuda_graph", "zeroing": "set_to_none"},
        **{"role": "candidate", "status": "skipped", "reason": "needs CUDA", "host": "host"},
        **{"dtype": "float32", "threads": 1, "seed": 0, "torch_version": "2.13.0"},
        **{"parameters": None, "recorded_at": recorded_at},
    }


def _samples(row: dict[str, Any]) -> list[dict[str, Any]]:
    base = {key: row[key] for key in ("run", "block", "cell")}
    isolated = [
        base
        | {"protocol": "isolated", "phase": "update", "replicate": 0, "round": number, "calls": 1}
        | {"seconds": row["update_s"], "disturbed": number == 0}
        for number in range(10)
    ]
    training = [
        base
        | {"protocol": "training", "phase": phase, "replicate": number, "round": 0, "calls": 1}
        | {"seconds": (1 + number / 10) * 1e-4, "disturbed": False}
        for phase in ("forward", "backward", "update", "zero", "step")
        for number in range(3)
    ]
    return isolated + training


def _gradients(row: dict[str, Any]) -> list[dict[str, Any]]:
    base = {key: row[key] for key in ("run", "block", "cell")}
    figures = {"mean": 0.0, "std": 1.0, "min": -1.0, "max": 1.0, "inf_count": 0, "cosine": 1.0}
    return [
        base
        | figures
        | {"step": step, "tensor": tensor, "present": True, "elements": elements, "norm": norm}
        | {"zero_fraction": zeros, "nan_count": 0, "relative_error": 1e-6}
        for step in range(3)
        for tensor, elements, norm, zeros in (("w", 30, 3.0, 0.0), ("b", 10, 4.0, 1.0))
    ]
