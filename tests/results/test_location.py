"""Results at URLs: every command reads them as it reads folders."""

import builtins
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gradbench
from gradbench.cli.main import main
from gradbench.errors import BadRequest
from gradbench.report.gather import gather
from gradbench.results.files import readable_files
from gradbench.results.location import locate
from gradbench.results.overview import overview
from tests.compare.runs import TIMES, rows, write
from tests.report.stored import write_run

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("upath")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[str]:
    """The folder's runs, copied to a file system in memory."""
    write_run(tmp_path, models=("mlp",), rules=("sgd",))
    files = fsspec.filesystem("memory")
    files.put(str(tmp_path), "/bucket/results", recursive=True)
    yield "memory://bucket/results"
    files.rm("/bucket", recursive=True)


@pytest.mark.parametrize("table", ["cells", "samples", "gradients", "runs"])
def test_a_table_is_the_same_wherever_it_is(memory: str, tmp_path: Path, table: str) -> None:
    here = gradbench.load(tmp_path, table)
    assert len(here)
    for place in (memory, f"file://{tmp_path}"):
        assert gradbench.load(place, table).equals(here)


def test_a_file_at_a_url_counts_once_and_is_checked(memory: str) -> None:
    (good,) = readable_files([memory, f"{memory}/first"]).readable
    files = fsspec.filesystem("memory")
    content = bytearray(files.cat_file(good.path))  # type: ignore[attr-defined]
    content[len(content) // 2] ^= 1
    files.pipe_file("/bucket/results/second/cells/bad.parquet", bytes(content))
    found = readable_files(memory)
    assert found.readable == [good]
    assert "memory://" in str(found.left_out[0])
    assert "checksum" in found.left_out[0].reason


def test_a_report_of_a_url_is_that_of_the_folder(memory: str, tmp_path: Path) -> None:
    here, there = gather([tmp_path]), gather([memory])
    for name in ("cells", "samples", "gradients", "runs"):
        assert getattr(there, name).equals(getattr(here, name)), name
    assert len(there.samples)


def test_runs_at_a_url_are_listed(memory: str, tmp_path: Path) -> None:
    (here,), _ = overview([tmp_path])
    (there,), _ = overview([memory])
    assert {**vars(here), "folder": None} == {**vars(there), "folder": None}
    assert there.folder.name == "first"


def test_a_summary_of_a_url_is_that_of_the_folder(
    memory: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summary", str(tmp_path)]) == 0
    here = capsys.readouterr().out
    assert main(["summary", memory]) == 0
    assert capsys.readouterr().out == here
    assert "mlp · sgd" in here


def test_a_summary_of_a_url_that_is_not_there_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "memory://nowhere/at/all"]) == 2
    assert "no such file or folder: memory://nowhere/at/all" in capsys.readouterr().err


def test_sides_of_a_comparison_are_urls(tmp_path: Path) -> None:
    write(tmp_path / "a", rows(TIMES, run="a"))
    write(tmp_path / "b", rows(TIMES, run="b"))
    files = fsspec.filesystem("memory")
    files.put(str(tmp_path), "/sides", recursive=True)
    found = gradbench.compare("memory://sides@run=a", "memory://sides/b")
    assert found["verdict"].eq("same").all()
    files.rm("/sides", recursive=True)


def test_a_url_that_is_not_there_is_a_bad_request() -> None:
    for ask in (lambda p: gather([p]), lambda p: gradbench.compare(p, p)):
        with pytest.raises(BadRequest, match="no such file or folder: memory:"):
            ask("memory://nowhere/at/all")
    with pytest.raises(BadRequest, match="nosuch"):
        locate("nosuch://bucket")


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] in ("upath", "fsspec"):
            raise ImportError(f"No module named {name!r}")
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    for ask in (gradbench.load, lambda p: gather([p]), lambda p: overview([p])):
        with pytest.raises(BadRequest, match=r"pip install 'torch-gradbench\[remote\]'"):
            ask("s3://bucket/results")


def test_a_protocol_without_its_package_names_the_extra() -> None:
    pytest.importorskip("fsspec")
    if "s3fs" in sys.modules or _installed("s3fs"):
        pytest.skip("s3fs is installed here")
    with pytest.raises(BadRequest, match=r"s3fs.*torch-gradbench\[remote\]"):
        locate("s3://bucket/results")


def _installed(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def test_a_path_with_colons_is_a_path(tmp_path: Path) -> None:
    assert locate("a:b/c") == Path("a:b/c")
    assert locate(f"file://{tmp_path}") == tmp_path


def test_the_command_reads_a_url(tmp_path: Path) -> None:
    write_run(tmp_path, models=("mlp",), rules=("sgd",))
    command = [sys.executable, "-m", "gradbench", "runs", f"file://{tmp_path}", "--format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)[0]["blocks"] == 1
