"""A sweep through a real Slurm of one node: as one run here; what is cancelled is done again."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from gradbench.results.load import load
from tests.integration.loopback_slurm import loopback_slurm, missing
from tests.integration.sweeping import LINEAR, Sweep

SWEEP = (*LINEAR, "-m", "rule=sgd,momentum,adam", "dtype=float32,float64")
SUBMITTED = (*SWEEP, "hydra/launcher=slurm")
BLOCKS = 6


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    """What must be in the environment for Slurm's commands to find it."""
    pytest.importorskip("submitit", reason="extra slurm is not installed")
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with loopback_slurm() as environment:
        yield {name: environment[name] for name in ("PATH", "SLURM_CONF")}


def queued(slurm: dict[str, str]) -> list[str]:
    command = ["squeue", "--noheader", "--array", "--states=PENDING", "--format=%i"]
    answer = subprocess.run(
        command, env={**os.environ, **slurm}, capture_output=True, text=True, check=True
    )
    return answer.stdout.split()


def what_was_measured(cells: pd.DataFrame) -> set[tuple[str, ...]]:
    """A block's name holds a digest of everything that would change its figures."""
    columns = ["block", "cell", "role", "model", "rule", "dtype", "device", "host", "status"]
    return set(cells[columns].itertuples(index=False, name=None))


@pytest.mark.slow
def test_a_sweep_with_a_cancelled_job_is_completed_and_equals_a_local_one(
    slurm: dict[str, str], folder: Path
) -> None:
    local = Sweep(folder / "local", SWEEP)
    submitted = Sweep(folder / "submitted", SUBMITTED, slurm)
    submitted.await_block()
    victim = queued(slurm)[0]
    subprocess.run(["scancel", victim], env={**os.environ, **slurm}, check=True)

    status, output, errors = submitted.end()
    assert status == 1, output + errors
    # Slurm soon forgets a part of an array that was cancelled before it began.
    assert re.search(rf"job {victim} (is CANCELLED|left the queue)", output), output
    cells = load(submitted.results)
    assert cells["block"].nunique() == BLOCKS
    lost = cells[cells["status"] == "failed"]
    assert lost["block"].nunique() == 1
    assert set(cells.drop(lost.index)["status"]) == {"ok"}

    status, output, errors = Sweep(folder / "submitted", SUBMITTED, slurm).end()
    assert status == 0, output + errors
    assert output.count(": kept") == BLOCKS - 1
    folders = list((submitted.results / ".submitit").iterdir())
    assert len(folders) == 1  # the logs of the command whose job was lost

    status, output, errors = local.end()
    assert status == 0, output + errors
    cells, here = load(submitted.results), load(local.results)
    assert what_was_measured(cells) == what_was_measured(here)
    assert set(cells["status"]) == {"ok"}
    assert (cells["exclusive"] == True).all()  # noqa: E712
    assert here["exclusive"].isna().all()
    states = load(submitted.results, table="runs").sort_values("started_at")
    assert list(states["state"]) == ["failed", "done"]
    assert list(states["blocks_measured"]) == [BLOCKS, 1]


def test_what_slurm_refuses_is_a_wrong_request(slurm: dict[str, str], folder: Path) -> None:
    refused = (*SUBMITTED, "hydra.launcher.partition=nowhere")
    status, _, errors = Sweep(folder, refused, slurm).end()
    assert status == 2
    assert "invalid partition specified: nowhere" in errors
    assert not list(folder.glob("results/r/*/*.parquet"))
