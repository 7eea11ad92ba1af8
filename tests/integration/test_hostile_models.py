"""Models that do what models do not do: a row with the reason each, and the sweep goes on."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import gradbench
from tests.integration.sweeping import CELLS, TORTURE, Sweep, custom

FATES: dict[str, tuple[str, str]] = {
    "fine": ("ok", ""),
    "raises": ("failed", "the data set is gone"),
    "raises_value_error": ("failed", "no such data set"),
    "raises_in_forward": ("failed", "forward refuses"),
    "raises_in_backward": ("failed", "backward refuses"),
    "nan": ("failed", "the model's loss is nan"),
    "no_parameters": ("skipped", "no parameter of the model gets a gradient"),
    "no_gradient": ("skipped", "no parameter of the model gets a gradient"),
    "complex_parameters": ("failed", "parameter phase is complex64"),
    "sparse_parameters": ("failed", "parameter table is sparse_coo"),
    "sparse_gradients": ("failed", "the gradient of weight is sparse_coo"),
    "integer_parameters": ("ok", ""),
    "meta_parameters": ("failed", "parameter weight is on the meta device"),
    "other_device": ("failed", "meta"),
    "tied": ("ok", ""),
    "one_parameter": ("ok", ""),
    "a_thousand_tensors": ("ok", ""),
    "takes_all_memory": ("failed", "memory"),
    "leaves": ("failed", "SystemExit: 3"),
    "vanishes": ("failed", "exited with status 0 before it was done"),
    "really_segfaults": ("failed", "SIGSEGV"),
    "killed": ("failed", "about to be killed"),
    "floods": ("failed", "the last of it"),
    "leaves_threads": ("ok", ""),
    "leaves_a_process": ("ok", ""),
}
LONG = {"hangs": ("failed", "time limit of 120 s"), "a_hundred_thousand_tensors": ("ok", "")}


@pytest.fixture
def memory_group(monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """A group that the kernel gives 256 MiB (cgroup v1); False where nobody may make one."""
    group = Path(f"/sys/fs/cgroup/memory/gradbench-test-{os.getpid()}")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(1 << 28))
    except OSError:
        yield False
        return
    monkeypatch.setenv("GRADBENCH_MEMORY_GROUP", str(group))
    yield True
    group.rmdir()


@pytest.mark.timeout(1500)
def test_each_has_a_row_with_the_reason_and_the_sweep_goes_on(
    folder: Path, tally: Counter[str], memory_group: bool
) -> None:
    fates = {**FATES, **LONG} if TORTURE else FATES
    limit_s = 120 if TORTURE else 60
    sweep = Sweep(folder, [*custom(*fates), f"measurement.time_limit_s={limit_s}"])
    status, output, errors = sweep.end(timeout_s=900)
    assert status == 1, output + errors
    assert "Traceback" not in output + errors
    assert len(output) < 50_000
    results = folder / "results" / "r"
    run = gradbench.load(results, "runs").iloc[0]
    assert run["state"] == "failed"
    asked = json.loads(run["configuration"])
    cells = gradbench.load(results)
    seen = {}
    for block, rows in cells.groupby("block"):
        name = asked[block]["model"]["factory"].split(":")[1]
        assert set(rows["cell"]) == CELLS
        assert (rows["reason"].notna() == (rows["status"] != "ok")).all(), name
        assert rows["reason"].dropna().str.len().le(4000).all()
        seen[name] = (
            "/".join(sorted(set(rows["status"]))),
            "; ".join(set(rows["reason"].dropna())),
        )
        tally["faults injected"] += 1
    if memory_group:
        assert "SIGKILL: out of memory?" in seen["takes_all_memory"][1]
    missed = {
        name: seen.get(name)
        for name, (fate, said) in fates.items()
        if name not in seen or seen[name][0] != fate or said not in seen[name][1]
    }
    assert not missed
    timed = cells[cells["status"] == "ok"]
    assert timed["update_s"].gt(0).all()
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "4242"]
    ]
    assert not [file for file in (folder / "tmp").glob("gradbench-*")]
    assert not list(results.rglob(".*"))
