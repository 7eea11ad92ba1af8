"""An experiment's life in a process of its own, ended in every way we know."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gradbench
from gradbench.errors import BadRequest
from gradbench.observing.task import WHOLE, TrialTask
from gradbench.observing.trial import Trial
from gradbench.request.task import Finished
from gradbench.request.versions import versions_here
from gradbench.results.store import Store
from gradbench.sweep.worker import Workers

HEAD = """
import os, signal, sys, time
from dataclasses import dataclass
import torch
from gradbench.observing.observation import Observation, Verdict

def seen(case, verdict=Verdict.confirmed, **given):
    return Observation(case=case, expected="x", outcome="y", verdict=verdict, **given)

"""
FINE = (
    HEAD + "def observe(device):\n    yield seen('one', version_delta=2)\n    yield seen('two')\n"
)

Run = Callable[..., Finished]


@pytest.fixture(scope="module")
def workers() -> Workers:
    return Workers()


@pytest.fixture
def run(workers: Workers, tmp_path: Path) -> Run:
    def run(
        *sources: str,
        device: str = "cpu",
        limit_s: float = 60.0,
        alone: bool = False,
        **options: Any,
    ) -> Finished:
        (tmp_path / "mine").mkdir()
        for place, source in enumerate(sources):
            (tmp_path / "mine" / f"part{place}.py").write_text(source)
        target = {"cpu": "cpu.Cpu", "cuda": "cuda.Cuda"}[device]
        trial = Trial(
            run="r",
            host="h",
            experiment="mine",
            device=device,
            threads=1,
            options={
                "experiment": {
                    "_target_": "gradbench.observing.experiment.Experiment",
                    "file": str(tmp_path / "mine"),
                    **options,
                },
                "device": {"_target_": f"gradbench.devices.{target}"}
                | ({"index": 99} if device == "cuda" else {}),
            },
            time_limit_s=limit_s,
            versions=versions_here(),
        )
        return workers.run(TrialTask(trial, Store(tmp_path / "r"), alone), lambda *_: None)

    return run


def stored(tmp_path: Path) -> Any:
    return gradbench.load(tmp_path / "r", "observations").set_index("case")


def test_observations_are_stored_with_what_tells_them_apart(run: Run, tmp_path: Path) -> None:
    finished = run(FINE)
    assert finished.statuses == {"confirmed": 2}
    rows = stored(tmp_path)
    assert list(rows.index) == ["one", "two"]
    assert rows.loc["one", "version_delta"] == 2
    shared = rows.drop_duplicates(["run", "experiment", "device", "host", "threads"])
    assert len(shared) == 1
    assert shared.iloc[0][["run", "experiment", "device", "host"]].to_list() == [
        "r",
        "mine",
        "cpu",
        "h",
    ]
    known = ["torch_version", "device_name", "gradbench_version", "recorded_at", "dtype"]
    assert rows[known].notna().all(axis=None)
    assert [file.name[:11] for file in (tmp_path / "r" / "observations").iterdir()] == [
        "h-cpu-mine-"
    ]


def test_an_experiment_adds_columns_that_the_table_knows(run: Run, tmp_path: Path) -> None:
    more = "@dataclass(frozen=True, kw_only=True)\nclass More(Observation):\n    {}: float = 0.0\n"
    body = "def observe(device):\n    yield More(**vars(seen('a')), {}=0.25)\n"
    run(HEAD + more.format("cost_s") + body.format("cost_s"))
    assert stored(tmp_path).loc["a", "cost_s"] == 0.25


def test_an_unknown_column_is_a_failure_that_names_it(run: Run, tmp_path: Path) -> None:
    more = "@dataclass(frozen=True, kw_only=True)\nclass More(Observation):\n    colour: str = ''\n"
    finished = run(HEAD + more + "def observe(device):\n    yield More(**vars(seen('a')))\n")
    assert finished.statuses == {"failed": 1}
    assert "colour" in stored(tmp_path).loc[WHOLE, "message"]


@pytest.mark.parametrize(
    ("body", "cases", "said"),
    [
        (
            "    yield seen('one')\n    raise ValueError('no such thing')",
            ["one"],
            "ValueError: no such",
        ),
        ("    yield seen('one')\n    yield seen('one')", ["one"], "two cases are named 'one'"),
        ("    yield from ()", [], "it observed nothing"),
        ("    yield seen('one')\n    os.kill(os.getpid(), signal.SIGKILL)", [], "SIGKILL"),
        ("    yield seen('one')\n    sys.exit(3)", [], "SystemExit: 3"),
    ],
)
def test_a_broken_experiment_leaves_a_row_that_says_so(
    run: Run, tmp_path: Path, body: str, cases: list[str], said: str
) -> None:
    finished = run(f"{HEAD}def observe(device):\n{body}\n")
    assert finished.statuses["failed"] == 1
    rows = stored(tmp_path)
    assert list(rows.index) == [*cases, WHOLE]
    assert rows.loc[WHOLE, "verdict"] == "failed"
    assert said in rows.loc[WHOLE, "message"]
    assert any(said in reason for reason in finished.reasons)


@pytest.mark.parametrize(
    ("source", "said"),
    [("import nowhere_to_be_found\n", "nowhere_to_be_found"), ("x = 1\n", "no function observe")],
)
def test_a_file_that_cannot_be_loaded_is_a_failure(
    run: Run, tmp_path: Path, source: str, said: str
) -> None:
    assert run(source).statuses == {"failed": 1}
    assert said in stored(tmp_path).loc[WHOLE, "message"]


def test_time_limit_ends_an_experiment(run: Run, tmp_path: Path) -> None:
    run(f"{HEAD}def observe(device):\n    yield seen('one')\n    time.sleep(60)\n", limit_s=2.0)
    assert "time limit of 2 s" in stored(tmp_path).loc[WHOLE, "message"]


def test_files_of_a_folder_are_taken_in_order_and_one_that_breaks_loses_no_other(
    run: Run, tmp_path: Path
) -> None:
    last = f"{HEAD}def observe(device):\n    yield seen('three')\n"
    finished = run(FINE, "raise OSError('gone')\n", last)
    assert finished.statuses == {"confirmed": 3, "failed": 1}
    assert list(stored(tmp_path).index) == ["one", "two", f"part1: {WHOLE}", "three"]


def test_further_keys_are_options_of_observe(run: Run, tmp_path: Path) -> None:
    run(f"{HEAD}def observe(device, name='a'):\n    yield seen(name)\n", name="given")
    assert list(stored(tmp_path).index) == ["given"]


def test_an_option_that_observe_does_not_take_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"part0\.py has no option colour: choose from name"):
        run(f"{HEAD}def observe(device, name='a'):\n    yield seen(name)\n", colour="red")
    assert not (tmp_path / "r").exists()


def test_a_missing_device_is_a_skipped_row_of_a_sweep(run: Run, tmp_path: Path) -> None:
    assert run(FINE, device="cuda").statuses == {"skipped": 1}
    rows = stored(tmp_path)
    assert list(rows.index) == [WHOLE]
    assert "CUDA" in rows.loc[WHOLE, "message"]


def test_a_missing_device_asked_for_alone_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="CUDA"):
        run(FINE, device="cuda", alone=True)
    assert not (tmp_path / "r").exists()
