"""One maker for each file, and nothing left of those that were killed."""

import shutil
import threading
from pathlib import Path

import pytest

from gradbench.errors import Unwritable
from gradbench.machine.held_file import held
from gradbench.results.lock import claim, remove_abandoned
from gradbench.results.store import Store
from tests.results.test_store import cell


def test_who_comes_second_waits_until_the_first_is_done(tmp_path: Path) -> None:
    file = tmp_path / "r" / "cells" / "b.parquet"
    order, waits = [], threading.Event()

    def second() -> None:
        with claim(file, waits.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with claim(file, lambda: None):
        thread.start()
        assert waits.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_who_waits_goes_on_where_the_first_has_made_nothing(tmp_path: Path) -> None:
    file = tmp_path / "r" / "cells" / "b.parquet"
    made, waits = threading.Event(), threading.Event()

    def second() -> None:
        with claim(file, waits.set):
            file.write_text("")
            made.set()

    thread = threading.Thread(target=second)
    with claim(file, lambda: None):
        thread.start()
        assert waits.wait(30)
    thread.join(30)
    assert made.is_set()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def test_a_claim_of_a_folder_that_is_another_by_now_leaves_its_lock(tmp_path: Path) -> None:
    folder = tmp_path / "r" / "cells"

    def replace() -> None:
        folder.rename(tmp_path / "aside")
        folder.mkdir()
        (folder / ".b.lock").touch()

    with pytest.raises(Unwritable, match="replaced"), claim(folder / "b.parquet", lambda: None):
        replace()
    assert (folder / ".b.lock").is_file()


def test_a_claim_keeps_what_was_made(tmp_path: Path) -> None:
    store = Store(tmp_path / "r")
    with claim(store.path("cells", "b"), lambda: None):
        store.write("cells", "b", [cell("ok")])
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["b.parquet"]


def test_a_claim_on_a_folder_that_goes_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "r" / "cells"
    with pytest.raises(Unwritable, match="removed"), claim(folder / "b.parquet", lambda: None):
        shutil.rmtree(folder)


def test_a_folder_that_was_not_needed_is_not_left(tmp_path: Path) -> None:
    with claim(tmp_path / "r" / "cells" / "b.parquet", lambda: None):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_claim_where_nothing_can_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("")
    file = tmp_path / "r" / "cells" / "b.parquet"
    with pytest.raises(Unwritable, match="cannot be written"), claim(file, lambda: None):
        pass


def test_only_what_nobody_holds_is_abandoned(tmp_path: Path) -> None:
    cells = tmp_path / "cells"
    cells.mkdir()
    (cells / ".dead.0.partial").write_bytes(b"half")
    (cells / ".dead.lock").write_bytes(b"")
    (cells / ".notes").write_text("somebody's own")
    with held(cells / ".live.1.partial"):
        remove_abandoned(tmp_path)
        assert sorted(file.name for file in cells.iterdir()) == [".live.1.partial", ".notes"]
    remove_abandoned(tmp_path)
    assert [file.name for file in cells.iterdir()] == [".notes"]


def test_a_run_that_is_not_there_has_nothing_abandoned(tmp_path: Path) -> None:
    remove_abandoned(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_tables_of_an_earlier_attempt_go(tmp_path: Path) -> None:
    store = Store(tmp_path / "r")
    store.write("cells", "b", [cell("ok")])
    store.discard("cells", "b")
    store.discard("cells", "b")
    assert not store.path("cells", "b").exists()
