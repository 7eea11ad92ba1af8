from pathlib import Path

import pytest

from gradbench.errors import BadRequest
from tests.report.stored import write_run
from tools.reference_runs import BEGIN, END, keep_run, write_reference


def test_a_run_is_kept_without_its_samples_in_place_of_its_like(tmp_path: Path) -> None:
    reference = tmp_path / "reference"
    keep_run(write_run(tmp_path, "other").folder, reference)
    keep_run(write_run(tmp_path, "new", models=("a", "b", "c")).folder, reference)
    kept = keep_run(write_run(tmp_path / "again", "new", models=("a",)).folder, reference)
    assert sorted(path.name for path in reference.iterdir()) == ["new", "other"]
    assert len(list((kept / "cells").iterdir())) == 2
    assert sorted(path.name for path in kept.iterdir()) == ["cells", "gradients", "runs"]


def test_a_damaged_run_is_not_kept_and_the_last_one_stays(tmp_path: Path) -> None:
    reference = tmp_path / "reference"
    keep_run(write_run(tmp_path, "old").folder, reference)
    store = write_run(tmp_path, "new")
    (store.folder / "cells" / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadRequest, match="not kept"):
        keep_run(store.folder, reference)
    assert [path.name for path in reference.iterdir()] == ["old"]
    with pytest.raises(BadRequest, match="no cells"):
        keep_run(tmp_path / "new" / "runs", reference)


def test_the_readme_changes_between_its_marks_only_and_again_not_at_all(tmp_path: Path) -> None:
    reference, readme = tmp_path / "reference", tmp_path / "README.md"
    keep_run(write_run(tmp_path, models=("mlp",)).folder, reference)
    gpu = {"device": "cuda", "device_name": "GPU"}
    keep_run(write_run(tmp_path, "gpu", models=("mlp", "only_here"), **gpu).folder, reference)
    readme.write_text(f"# Before\n\n{BEGIN}\n{END}\n\nAfter\n")
    write_reference(reference, readme)
    first = readme.read_text()
    assert first.startswith(f"# Before\n\n{BEGIN}\n")
    assert first.endswith(f"{END}\n\nAfter\n")
    for device in ("Chip 3000", "GPU"):
        row = f"| {device} | mlp | adamw | flat | 4.00×"
        assert row in first
        assert row in (reference / "README.md").read_text()
        assert row.replace("adamw", "sgd") in (reference / "README.md").read_text()
    assert "| sgd |" not in first
    assert "only_here" not in first  # of what every device has
    assert "only_here" in (reference / "README.md").read_text()
    assert "- `gpu`: GPU, 2 processors" in first
    assert (reference / "speedup.svg").read_text().startswith("<svg")
    write_reference(reference, readme)
    assert readme.read_text() == first


def test_a_readme_without_marks_is_not_written(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("mine")
    with pytest.raises(BadRequest, match="lacks the marks"):
        write_reference(tmp_path, readme)
    assert readme.read_text() == "mine"
