from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gradbench
from gradbench.errors import Unwritable
from gradbench.results.load import UnreadableResults
from gradbench.results.schema import TABLES, VERSION, arrow_schema
from gradbench.results.store import Store
from tools.column_dictionary import column_dictionary

README = Path(__file__).parents[2] / "results" / "README.md"


def cell(status: str, name: str = "a") -> dict[str, object]:
    return {"run": "r", "block": "b", "cell": name, "status": status, "update_s": 0.5}


def test_readme_is_the_column_dictionary() -> None:
    assert column_dictionary() in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("table", TABLES)
def test_every_column_says_what_it_means(table: str) -> None:
    names = [column.name for column in TABLES[table]]
    assert len(names) == len(set(names))
    for column in TABLES[table]:
        assert column.description.endswith(".")
        suffixed = {"_s": "s", "_bytes": "bytes", "_bytes_per_s": "bytes/s"}
        for suffix, unit in suffixed.items():
            if column.name.endswith(suffix) and not column.name.endswith("per_s"):
                assert column.unit == unit, column.name


def test_units_and_version_travel_with_the_file(tmp_path: Path) -> None:
    path = Store(tmp_path / "r").write("cells", "b", [cell("ok")])
    schema = pq.read_schema(path)
    assert schema.metadata[b"gradbench.schema"] == VERSION.encode()
    assert schema.field("update_s").metadata[b"unit"] == b"s"
    assert b"Time of one update" in schema.field("update_s").metadata[b"description"]


def test_rows_come_back_with_every_column(tmp_path: Path) -> None:
    Store(tmp_path / "r").write("cells", "b", [cell("ok"), cell("wrong", "c")])
    for path in (tmp_path, tmp_path / "r", tmp_path / "r" / "cells", str(tmp_path)):
        table = gradbench.load(path)
        assert list(table.columns) == arrow_schema("cells").names
        assert list(table["status"]) == ["ok", "wrong"]
        assert table["speedup"].isna().all()


def test_a_folder_named_like_a_partition_is_only_a_folder(tmp_path: Path) -> None:
    Store(tmp_path / "seed=7").write("cells", "b", [cell("ok")])
    assert list(gradbench.load(tmp_path)["run"]) == ["r"]


def test_unknown_column_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="colour"):
        Store(tmp_path).write("cells", "b", [{"colour": 1}])
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_failed_write_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.write("cells", "b", [cell("ok")])

    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unwritable, match="No space"):
        store.write("cells", "b", [cell("failed")])
    assert [file.name for file in (tmp_path / "cells").iterdir()] == ["b.parquet"]
    assert list(gradbench.load(tmp_path)["status"]) == ["ok"]


@pytest.mark.parametrize(
    ("statuses", "finished"),
    [
        (["ok", "skipped"], True),
        (["wrong", "ok"], True),
        (["ok", "failed"], False),
        (["skipped", "skipped"], False),
        ([], False),
    ],
)
def test_what_counts_as_finished(tmp_path: Path, statuses: list[str], finished: bool) -> None:
    store = Store(tmp_path)
    assert not store.is_finished("b")
    store.write("cells", "b", [cell(status) for status in statuses])
    assert store.is_finished("b") is finished


def test_a_torn_file_is_not_finished(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.write("cells", "b", [cell("ok")])
    path.write_bytes(path.read_bytes()[:-20])
    assert not store.is_finished("b")


def test_foreign_files_are_named_and_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path / "r")
    store.write("cells", "good", [cell("ok")])
    torn = store.path("cells", "torn")
    torn.write_bytes(b"PAR1 and no more")
    foreign = store.path("cells", "foreign")
    pq.write_table(pa.table({"x": [1]}), foreign)
    newer = store.path("cells", "newer")
    metadata = {"gradbench.schema": "999", "gradbench.table": "cells"}
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata(metadata), newer)
    with pytest.warns(UnreadableResults) as caught:
        table = gradbench.load(tmp_path)
    assert list(table["status"]) == ["ok"]
    message = str(caught[0].message)
    for path in (torn, foreign, newer):
        assert str(path) in message
    assert "schema version 999" in message
    assert "upgrade" in message


def test_load_without_files_or_folder(tmp_path: Path) -> None:
    assert gradbench.load(tmp_path).empty
    assert "update_s" in gradbench.load(tmp_path).columns
    with pytest.raises(FileNotFoundError, match="nowhere"):
        gradbench.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="cells, samples, gradients, observations, runs"):
        gradbench.load(tmp_path, "cell")
