"""Where the only file of results cannot be read, every verb says so in one message: status 2."""

from pathlib import Path

import pytest

from gradbench.cli.main import main


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" + bytes(20)])
@pytest.mark.parametrize("given", [".", "r/cells/x.parquet"])
@pytest.mark.parametrize(
    "verb",
    [
        *(["summary"], ["report"], ["runs"], ["compare", "."]),
        ["predict", "--tensors=3", "--parameters=9", "--results"],
    ],
    ids=lambda verb: str(verb[0]),
)
def test_one_message_and_status_2(
    verb: list[str],
    given: str,
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "r" / "cells" / "x.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert main([*verb, given]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    [line] = seen.err.splitlines()
    assert line.startswith("gradbench: no ")
    assert "x.parquet: " in line
