"""Files below a path: those that can be read, and one reason for each that cannot."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradbench
from gradbench.results.checksum import BLANK, KEY, checksum, computed, seal
from gradbench.results.files import read_file, readable_files
from gradbench.results.load import UnreadableResults
from gradbench.results.schema import TABLES, VERSION, arrow_schema
from gradbench.results.store import Store
from tests.results.test_store import cell


def foreign(path: Path, schema: pa.Schema, version: str = VERSION, table: str = "cells") -> None:
    metadata = {"gradbench.schema": version, "gradbench.table": table}
    pq.write_table(schema.with_metadata(metadata).empty_table(), path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("model,update_s\nmlp,1e-5\n")


def short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[60] ^= 4  # among the rows: what is longer for more columns comes after
    path.write_bytes(content)


def torn_footer(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:200] + content[-8:])


def newer(path: Path) -> None:
    foreign(path, arrow_schema("cells"), version="77")


def older(path: Path) -> None:
    foreign(path, arrow_schema("cells"), version="0")


def other_table(path: Path) -> None:
    Store(path.parents[1]).write("samples", path.stem, []).replace(path)


def not_ours(path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), path)


def lacking(path: Path) -> None:
    foreign(path, pa.schema([f for f in arrow_schema("cells") if f.name != "speedup"]))


def retyped(path: Path) -> None:
    fields = [pa.field(f.name, pa.string()) for f in arrow_schema("cells")]
    foreign(path, pa.schema(fields))


def unsealed(path: Path) -> None:
    foreign(path, arrow_schema("cells"))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


DAMAGE: list[tuple[Callable[[Path], None], str]] = [
    (empty, "empty"),
    (text, "not a parquet file"),
    (short, "cut short"),
    (flipped, "checksum"),
    (torn_footer, "damaged"),
    (newer, "schema version 77, this gradbench reads .*upgrade"),
    (older, "schema version 0, this gradbench reads .*measure again"),
    (other_table, "holds table samples, not cells"),
    (not_ours, "not a table of gradbench"),
    (lacking, "lacks column speedup"),
    (retyped, "column .* is string, not"),
    (unsealed, "no checksum"),
    (folder, "is a directory"),
    (dangling, "no such file"),
]


@pytest.mark.parametrize(("damage", "reason"), DAMAGE, ids=lambda p: getattr(p, "__name__", ""))
def test_a_bad_file_is_named_with_its_reason_and_the_rest_is_read(
    tmp_path: Path, damage: Callable[[Path], None], reason: str
) -> None:
    store = Store(tmp_path / "r")
    good = store.write("cells", "good", [cell("ok")])
    bad = store.write("cells", "bad", [cell("wrong")])
    damage(bad)
    with pytest.warns(UnreadableResults, match=reason) as caught:
        assert list(gradbench.load(tmp_path)["status"]) == ["ok"]
    assert len(caught) == 1
    found = readable_files(tmp_path)
    assert found.readable == [good]
    assert [left.file for left in found.left_out] == [bad]
    assert str(bad) in str(caught[0].message)
    assert str(found.left_out[0]) in str(caught[0].message)


def test_checksums_may_be_left_unread(tmp_path: Path) -> None:
    store = Store(tmp_path / "r")
    bad = store.write("cells", "bad", [cell("wrong")])
    flipped(bad)
    assert readable_files(tmp_path, checksums=False).readable == [bad]
    torn_footer(bad)
    (left,) = readable_files(tmp_path, checksums=False).left_out
    assert "damaged" in left.reason


def test_paths_may_overlap_and_files_come_once(tmp_path: Path) -> None:
    first = Store(tmp_path / "a").write("cells", "b", [cell("ok")])
    second = Store(tmp_path / "deep" / "b").write("cells", "b", [cell("ok")])
    Store(tmp_path / "a").write("samples", "b", [])
    (first.parent / ".b.partial.parquet").write_bytes(b"half")
    found = readable_files([tmp_path / "a", tmp_path, second], "cells")
    assert found.readable == [first, second]
    assert found.left_out == []


def test_unknown_paths_and_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        readable_files(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="choose one of cells"):
        readable_files(tmp_path, "cell")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    rows: list[dict[str, Any]] = [cell("ok", f"c{i}") for i in range(5)]
    return Store(tmp_path_factory.mktemp("r")).write("cells", "b", rows).read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_flipped_bit_goes_unseen(
    sealed: bytes, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    position = data.draw(st.integers(0, 8 * len(sealed) - 1), "bit")
    content = bytearray(sealed)
    content[position // 8] ^= 1 << position % 8
    path = tmp_path_factory.getbasetemp() / "flipped.parquet"
    path.write_bytes(content)
    found = readable_files(path)
    assert found.readable == []
    assert [left.file for left in found.left_out] == [path]
    os.remove(path)


def test_checksum_is_in_the_metadata_and_covers_them(sealed: bytes) -> None:
    metadata = pq.read_metadata(pa.BufferReader(sealed)).metadata
    assert metadata[KEY.encode()].startswith(b"sha256:")
    assert checksum(sealed) == computed(sealed)
    described = sealed.replace(b"gradbench.table", b"gradbench.tabel", 1)
    assert checksum(described) != computed(described)
    assert seal(described) != described
    assert checksum(seal(described)) == computed(described)


def test_nothing_is_sealed_without_a_place_for_it() -> None:
    with pytest.raises(ValueError, match=KEY):
        seal(b"PAR1 and no metadata PAR1")


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_sealed(tmp_path: Path, table: str) -> None:
    path = Store(tmp_path / "r").write(table, "b", [])
    assert readable_files(path, table).readable == [path]


def test_files_older_than_an_added_column_are_read_with_nulls(tmp_path: Path) -> None:
    added = {column.name for column in TABLES["cells"] if column.added}
    assert "bottleneck" in added
    path = Store(tmp_path / "r").write("cells", "old", [cell("ok")])
    old = pq.read_table(path).drop_columns(sorted(added))
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, old.schema) as writer:
        writer.write_table(old)
        writer.add_key_value_metadata({KEY: BLANK})
    path.write_bytes(seal(sink.getvalue()))
    rows = read_file(path, "cells")
    assert rows.column_names == arrow_schema("cells").names
    assert rows["status"].to_pylist() == ["ok"]
    before = {c.name: c.before for c in TABLES["cells"]}
    assert all(rows[name].to_pylist() == [before[name]] for name in added)
