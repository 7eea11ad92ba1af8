"""How far a run came, where some of it was measured with other versions."""

from pathlib import Path
from typing import Any

import pytest

from gradbench.results.overview import RunOverview, overview
from gradbench.results.store import Store

NOW = {"torch_version": "2.13.0+cpu", "gradbench_version": "0.1.0"}
OLD = ("", "-torch2.12.0-gradbench0.1.0")
NEW = "-torch2.13.0_cpu-gradbench0.1.0"


def run(folder: Path, names: list[str], **command: Any) -> RunOverview:
    """A run of which a command asked for two blocks."""
    store = Store(folder / "r")
    for name in names:
        row = {"status": "ok", "role": "baseline", "recorded_at": "2026-01-01", **NOW}
        store.write("cells", name, [row])
    told = {"started_at": "2026-01-01", "blocks": 2, "experiments": 0, "wall_s": 1.0}
    store.write("runs", "h", [{**told, **NOW, **command}])
    (found,), _ = overview([folder])
    return found


@pytest.mark.parametrize("before", OLD)
def test_what_another_torch_has_measured_is_not_done(tmp_path: Path, before: str) -> None:
    blocks = [f"h-cpu-{model}{before}-1a2b3c4d" for model in ("a", "b")]
    again = f"h-cpu-a{NEW}-1a2b3c4d"
    found = run(tmp_path, [*blocks, again], state="interrupted")
    assert found.state == "incomplete: interrupted"
    assert (found.blocks, found.asked) == (2, 2)
    found = run(tmp_path, [f"h-cpu-b{NEW}-1a2b3c4d"], state="interrupted")
    assert found.state == "complete"  # another command has done the rest
    assert found.blocks == 2


def test_a_run_whose_names_hold_no_versions_is_as_complete_as_it_was(tmp_path: Path) -> None:
    found = run(tmp_path, ["h-cpu-a-1a2b3c4d"], state="interrupted")
    assert found.state == "incomplete: interrupted"
    assert run(tmp_path, ["h-cpu-b-1a2b3c4d"], state="interrupted").state == "complete"


def test_the_devices_of_a_run_are_those_of_cells_that_have_figures(tmp_path: Path) -> None:
    statuses = {"a": "ok", "b": "approximate", "c": "skipped"}
    rows = [
        {"status": status, "role": "candidate", "device": device, **NOW}
        for device, status in statuses.items()
    ]
    Store(tmp_path / "r").write("cells", "b", rows)
    (found,), _ = overview([tmp_path])
    assert found.devices == ["a", "b"]
    assert found.cells == {"ok": 1, "approximate": 1, "skipped": 1}


def test_a_file_that_is_given_is_read_as_its_own_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"status": "ok", "role": "baseline", "recorded_at": "2026-01-01", **NOW}
    Store(tmp_path / "r").write("cells", "x", [row])
    for folder, given in (
        *((tmp_path, name) for name in ("r/cells/x.parquet", "r/cells", "r")),
        *((tmp_path / "r", name) for name in ("cells/x.parquet", "cells", ".")),
        *((tmp_path / "r" / "cells", name) for name in ("x.parquet", ".")),
    ):
        monkeypatch.chdir(folder)
        (found,), left_out = overview([given])
        assert not left_out, given
        assert (found.folder.resolve().name, found.blocks) == ("r", 1), given
