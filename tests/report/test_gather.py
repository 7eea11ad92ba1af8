from pathlib import Path

import pytest

import gradbench
from gradbench.errors import BadRequest
from gradbench.report.content import derive
from gradbench.report.gather import gather
from gradbench.report.scan import gradient_steps, sample_counts
from gradbench.report.tables import latency, recommendations
from gradbench.results.files import TableFiles, readable_files
from gradbench.results.store import Store
from tests.report.stored import write_run


def test_samples_are_counted_clean_and_taken(tmp_path: Path) -> None:
    write_run(tmp_path, models=("mlp",), rules=("sgd",))
    content = derive(gather([tmp_path]))
    flat = content.cells[content.cells["cell"] == "flat/set_to_none"].iloc[0]
    assert (flat["clean"], flat["taken"]) == (9, 10)
    assert flat["samples_text"] == "9 of 10 samples"
    phases = content.samples[content.samples["protocol"] == "training"]
    assert phases["samples"].eq(3).all()
    assert phases["quarter_s"].between(1.04e-4, 1.06e-4).all()


def test_without_samples_the_rounds_are_counted(tmp_path: Path) -> None:
    store = write_run(tmp_path, models=("mlp",), rules=("sgd",))
    for file in (store.folder / "samples").iterdir():
        file.unlink()
    cells = derive(gather([tmp_path])).cells
    flat = cells[cells["cell"] == "flat/set_to_none"].iloc[0]
    assert (flat["clean"], flat["taken"]) == (9, 10)


def test_gradients_are_summed_up_over_tensors(tmp_path: Path) -> None:
    store = write_run(tmp_path, models=("mlp",), rules=("sgd",))
    steps = gradient_steps(readable_files(store.folder, "gradients"))
    first = steps.iloc[0]
    assert first["norm"] == pytest.approx(5.0)  # √(3² + 4²)
    assert first["zero_fraction"] == pytest.approx(0.25)  # 10 of 40 elements
    assert first["tensors"] == 2


def test_no_files_have_the_columns_all_the_same() -> None:
    assert list(sample_counts(TableFiles()).columns)[:4] == ["run", "host", "block", "cell"]
    assert "zero_fraction" in gradient_steps(TableFiles()).columns


def test_a_run_of_one_strategy_hides_none_that_measured_more(tmp_path: Path) -> None:
    write_run(tmp_path, "old", models=("mlp",), recorded_at="2026-01-01T00:00:00+00:00")
    store = write_run(
        tmp_path, "new", models=("mlp",), recorded_at="2026-02-01T00:00:00+00:00", options=""
    )
    for file in [*(store.folder / "cells").iterdir(), *(tmp_path / "old" / "cells").iterdir()]:
        rows = gradbench.load(file).astype(object)
        rows = rows.where(rows.notna(), None).assign(options="")
        rows = rows[(rows["strategy"] == "optimizer") | (file.parents[1].name == "old")]
        Store(file.parents[1]).write("cells", file.stem, rows.to_dict("records"))
    content = derive(gather([tmp_path]))
    assert content.recommendations["strategy"].tolist() == ["flat", "flat"]
    assert content.recommendations["runs"].tolist() == [1, 1]
    baseline = content.cells[content.cells["role"] == "baseline"]
    assert baseline["runs"].tolist() == [2, 2]
    assert baseline["run_names"].tolist() == ["old, new"] * 2
    assert set(baseline["samples_text"]) == {"18 of 20 samples of 2 runs"}
    assert set(baseline["model_label"]) == {"mlp"}
    assert any("4 blocks measured what another run did as well" in n for n in content.notes)
    phases = content.samples[content.samples["protocol"] == "training"]
    assert phases.groupby(["cell", "phase"])["samples"].max().eq(6).all()
    assert not content.gradients.duplicated(["run", "block", "cell", "step"]).any()


def test_other_options_and_versions_are_other_rows_that_can_be_told_apart(tmp_path: Path) -> None:
    only = {"models": ("mlp",), "rules": ("sgd",)}
    for number, options in enumerate(("model.width=1024", "", "model.width=64 rule.lr=0.5")):
        write_run(tmp_path, f"r{number}", **only, options=options)
    write_run(tmp_path, "newer", **only, options="", gradbench_version="0.3.0")
    write_run(tmp_path, "other", **only, options="", torch_version="2.14.0")
    content = derive(gather([tmp_path]))
    assert content.cells["runs"].eq(1).all()
    labels = content.recommendations[["device_label", "model_label"]].agg(" | ".join, axis=1)
    assert labels.tolist() == [
        "Chip 3000 · torch 2.13.0 | mlp · gradbench 0.1.0",
        "Chip 3000 · torch 2.13.0 | mlp · gradbench 0.3.0",
        "Chip 3000 · torch 2.13.0 | mlp · model.width=64 rule.lr=0.5",
        "Chip 3000 · torch 2.13.0 | mlp · model.width=1024",
        "Chip 3000 · torch 2.14.0 | mlp",
    ]


def test_blocks_that_only_a_digest_tells_apart_are_called_by_their_runs(tmp_path: Path) -> None:
    """Files older than the column `options`: nobody knows in what they differ."""
    whole = write_run(tmp_path / "whole", models=("mlp",), rules=("sgd",))
    rows = gradbench.load(whole.folder).astype(object)
    rows = rows.where(rows.notna(), None)
    for run, digest in (("a", "00000001"), ("b", "00000002")):
        block = f"host-cpu-mlp-sgd-float32-{digest}"
        again = rows.assign(run=run, block=block).to_dict("records")
        Store(tmp_path / run).write("cells", block, again)
    cells = derive(gather([tmp_path / "a", tmp_path / "b"])).cells
    assert set(cells["model_label"]) == {"mlp · run a", "mlp · run b"}


def test_in_one_run_a_block_is_pooled_by_its_versions(tmp_path: Path) -> None:
    """A name without versions, one of each gradbench, and one of another torch, all of one run."""
    digest = "-1a2b3c4d"
    whole = write_run(tmp_path / "whole", models=("mlp",), rules=("sgd",))
    rows = gradbench.load(whole.folder).astype(object)
    rows = rows.where(rows.notna(), None)
    store = Store(tmp_path / "first")
    pairs = (("2.13.0", "0.1.0"), ("2.12.0", "0.2.0"), ("2.13.0", "0.2.0"))
    named = [(f"h-cpu-torch{torch}-gradbench{own}", torch, own) for torch, own in pairs]
    for day, (name, torch, own) in enumerate([("h-cpu", *pairs[0]), *named], start=1):
        told = {"torch_version": torch, "gradbench_version": own, "block": name + digest}
        told["recorded_at"] = f"2026-01-0{day}T00:00:00+00:00"
        store.write("cells", name + digest, rows.assign(**told).to_dict("records"))
    gathered = gather([store.folder])
    assert set(gathered.cells["block"]) == {name + digest for name, _, _ in named}
    assert gathered.cells.groupby("block")["runs"].max().to_dict() == {
        f"h-cpu-torch2.13.0-gradbench0.1.0{digest}": 2,
        f"h-cpu-torch2.12.0-gradbench0.2.0{digest}": 1,
        f"h-cpu-torch2.13.0-gradbench0.2.0{digest}": 1,
    }
    labels = derive(gathered).cells.groupby("block")["model_label"].first()
    assert sorted(labels) == ["mlp", "mlp · gradbench 0.1.0", "mlp · gradbench 0.2.0"]
    other = store.path("cells", f"h-cpu-torch2.13.0-gradbench0.3.0{digest[:-1]}e")
    store.write("cells", other.stem, rows.assign(block=other.stem).to_dict("records"))
    assert other.stem in set(gather([store.folder]).cells["block"])  # another request


def test_devices_of_one_name_are_told_apart_by_torch_version(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    write_run(tmp_path, "b", torch_version="2.9.0")
    labels = set(derive(gather([tmp_path])).cells["device_label"])
    assert labels == {"Chip 3000 · torch 2.13.0", "Chip 3000 · torch 2.9.0"}


def test_dtypes_are_told_apart(tmp_path: Path) -> None:
    write_run(tmp_path, "a", models=("mlp",))
    write_run(tmp_path, "b", models=("mlp",), dtype="bfloat16")
    labels = set(derive(gather([tmp_path])).cells["model_label"])
    assert labels == {"mlp · float32", "mlp · bfloat16"}


def test_a_run_below_two_paths_counts_once(tmp_path: Path) -> None:
    store = write_run(tmp_path, models=("mlp",), rules=("sgd",))
    once, twice = gather([tmp_path]), gather([tmp_path, store.folder])
    assert len(once.cells) == len(twice.cells)
    assert once.samples["samples"].sum() == twice.samples["samples"].sum()


def test_contended_blocks_are_named(tmp_path: Path) -> None:
    write_run(tmp_path, models=("mlp",), rules=("sgd",), contended=True)
    assert any(
        "contended" in note and "mlp · sgd" in note for note in derive(gather([tmp_path])).notes
    )


def test_an_unfinished_run_is_named(tmp_path: Path) -> None:
    store = write_run(tmp_path)
    running = {"run": "first", "host": "host", "started_at": "2026", "state": "running"}
    store.write("runs", "host", [running | {"blocks": 9}])
    notes = derive(gather([tmp_path])).notes
    assert any("is running: 4 of 9 blocks" in note for note in notes)


def test_a_file_that_is_no_parquet_is_left_out_and_named(tmp_path: Path) -> None:
    store = write_run(tmp_path)
    (store.folder / "cells" / "bad.parquet").write_bytes(b"hello")
    gathered = gather([tmp_path])
    assert len(gathered.left_out) == 1
    assert any("bad.parquet: not a parquet file" in note for note in derive(gathered).notes)


def test_nothing_to_read_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no results below"):
        gather([tmp_path])
    with pytest.raises(BadRequest, match="no such file or folder"):
        gather([tmp_path / "nowhere"])
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "bad.parquet").write_bytes(b"")
    with pytest.raises(BadRequest, match=r"bad\.parquet: empty"):
        gather([tmp_path])


def test_a_figure_of_several_runs_says_so_where_it_stands(tmp_path: Path) -> None:
    for run, day in (("a", 1), ("b", 2)):
        moment = f"2026-01-0{day}T00:00:00+00:00"
        write_run(tmp_path, run, models=("mlp",), rules=("sgd",), recorded_at=moment)
    content = derive(gather([tmp_path]))
    (table,) = recommendations.draw(content)
    assert table.text["speedup"].str.endswith(" · 2 runs").all()
    assert table.data["run_names"].tolist() == ["a, b"]
    (table,) = latency.draw(content)
    assert "18 of 20\n2 runs" in set(table.text["samples"])
