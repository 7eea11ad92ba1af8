"""How long a command will take: said beforehand, from what blocks took on the same host."""

import os
from pathlib import Path

import pytest

from gradbench.cli.main import main
from gradbench.request.hydra_app import PrepareMultirun
from gradbench.results.store import Store
from gradbench.sweep.durations import Took, earlier_blocks, expected_seconds, how_long
from tests.conftest import TINY


def took(block_s: float | None, model: str = "mlp", rule: str = "sgd", **given: object) -> Took:
    figures: dict[str, object] = {"device": "cpu", "cells": 10, "budget_s": 4.0, **given}
    return Took(model, rule, block_s=block_s, **figures)  # type: ignore[arg-type]


def test_a_block_takes_its_budget_and_what_such_blocks_took_beside_it() -> None:
    earlier = [took(6.0), took(7.0), took(90.0)]
    assert expected_seconds(took(None), earlier) == pytest.approx(7.0)
    twice = took(None, budget_s=20.0, cells=20)
    assert expected_seconds(twice, earlier) == pytest.approx(20 + 2 * 3.0)


def test_the_nearest_blocks_are_asked() -> None:
    earlier = [took(30.0, "gpt2", "adamw"), took(5.0), took(9.0, device="cuda")]
    assert expected_seconds(took(None, "gpt2"), earlier) == pytest.approx(30.0)
    assert expected_seconds(took(None, "mlp", "adamw"), earlier) == pytest.approx(5.0)
    assert expected_seconds(took(None, "new"), earlier) == pytest.approx((30 + 5) / 2)
    assert expected_seconds(took(None, device="mps"), earlier) is None


def test_one_that_stops_early_is_not_expected_to_take_less_than_any_did() -> None:
    assert expected_seconds(took(None, budget_s=1.0), [took(2.0, budget_s=20.0)]) == 2.0


def test_what_could_not_run_takes_as_little_again() -> None:
    earlier = [took(0.5, device="cuda", skipped=True), took(6.0)]
    assert expected_seconds(took(None, device="cuda"), earlier) == 0.5


def test_what_is_not_known_is_said() -> None:
    said = how_long([took(None)], 30, [])
    assert said.startswith("about 0:02:00 of sampling, and set-up")
    assert how_long([took(None)] * 2, 30, [took(6.0)]).startswith("about 0:03:00, by what")


def test_the_last_blocks_of_this_host_are_read(tmp_path: Path) -> None:
    shared = {"model": "mlp", "rule": "sgd", "device": "cpu", "status": "ok"}
    names = [("h-one", "h", 1.0, 5.0), ("h-two", "h", 2.0, 6.0), ("other-x", "other", 3.0, 7.0)]
    for moment, (name, host, budget_s, block_s) in enumerate(names):
        row = {**shared, "host": host, "budget_s": budget_s, "block_s": block_s}
        path = Store(tmp_path / "run").write("cells", name, [row, row])
        os.utime(path, (moment, moment))
    Store(tmp_path / "old").write("cells", "h-before", [{**shared, "host": "h"}])
    (tmp_path / "old" / "cells" / "h-bad.parquet").write_bytes(b"no parquet")
    found = earlier_blocks(tmp_path, "h")
    assert [(each.block_s, each.cells) for each in found] == [(6.0, 2), (5.0, 2)]
    assert earlier_blocks(tmp_path / "nowhere", "h") == []


def test_a_command_says_it_before_it_starts_and_nothing_where_all_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    PrepareMultirun.choices["rule"] = 2  # an earlier command of this process was a sweep
    command = [*TINY, "strategy=[optimizer]", "zeroing=set_to_none", "threads=1"]
    assert main([*command, "run=a"]) == 0
    assert "of sampling, and set-up" in capsys.readouterr().out
    assert main([*command, "run=b"]) == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("1 block")
    assert second.startswith("about 0:00:")
    assert second.endswith("by what blocks took here before")
    assert main([*command, "run=b"]) == 0
    assert "about" not in capsys.readouterr().out.splitlines()[1]
