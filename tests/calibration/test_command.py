"""The verb as a person uses it, on a block of a moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import gradbench
from gradbench.calibration.block import IDENTICAL, PLANTED
from gradbench.cli.commands.calibrate import say_loads

ROOT = str(Path(__file__).parents[2])
COMMAND = [sys.executable, "-m", "gradbench", "calibrate"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": ROOT}
TINY = [
    *("model=linear", "measurement.noise=inf"),
    *("measurement.replicates=2", "measurement.min_replicates=2"),
]
OPTIONS = ["--run", "c", "--runs", "2", "--seconds", "0.5"]


def ended(process: psutil.Process) -> bool:
    """See whether a process is gone, or dead and not yet reaped by whom it was left to."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path: Path) -> None:
    arguments = [*COMMAND, *TINY, *OPTIONS, "--hogs", "1"]
    process = subprocess.Popen(
        arguments,
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("[1/2]"):
            break
    deadline = time.monotonic() + 30
    hogs: list[psutil.Process] = []
    while not hogs and time.monotonic() < deadline:
        found = psutil.Process(process.pid).children(recursive=True)
        hogs = [child for child in found if any("hog.py" in word for word in child.cmdline())]
    assert hogs
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "to continue: python -m gradbench calibrate" in errors
    assert "Traceback" not in errors
    assert all(map(ended, hogs))
    assert not list(tmp_path.rglob("*.partial"))
    [kept] = (tmp_path / "results" / "c" / "calibration_samples").iterdir()
    written = kept.stat().st_mtime_ns

    answer = subprocess.run(
        arguments, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    assert kept.stat().st_mtime_ns == written
    assert answer.stdout.count("kept") == 1
    assert "coverage" in answer.stdout
    rows = gradbench.load(tmp_path / "results", "calibrations")
    assert list(rows["hogs"]) == [1]
    assert list(rows["runs"]) == [2]
    assert rows["stated"].all()
    cells = 1 + 2 + len(IDENTICAL) + len(PLANTED)  # twin, foreach and optimizer, …
    assert (rows["intervals"] <= 2 * cells).all()  # a busy machine may leave no clean sample
    assert rows["half_width"].dropna().ge(0).all()
    samples = gradbench.load(tmp_path / "results", "calibration_samples")
    assert samples.groupby(["hogs", "rerun"]).ngroups == 2
    assert (samples["seconds"] > 0).all()
    planted = gradbench.load(tmp_path / "results", "planted_work")
    assert list(planted["strategy"]) == list(PLANTED)
    assert (planted["difference"] > 0).all()
    for script in ("tools/coverage_page.py", "experiments/estimators.py"):
        page = subprocess.run(
            [sys.executable, f"{ROOT}/{script}", "results/c"],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
        assert page.returncode == 0, page.stderr
        assert "## linear · sgd · cpu" in page.stdout


@pytest.mark.parametrize(("sent", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_while_judging_says_how_to_continue(
    tmp_path: Path, sent: str, status: int
) -> None:
    code = (
        "import os, signal, time\n"
        "from gradbench.calibration.calibrate import Calibration\n"
        "from gradbench.cli.main import main\n"
        "Calibration.measure = lambda self: None\n"
        f"Calibration.judge = lambda self: os.kill(os.getpid(), signal.{sent}) or time.sleep(60)\n"
        f"raise SystemExit(main({['calibrate', *TINY, *OPTIONS]!r}))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert answer.returncode == status, answer.stderr
    [line] = answer.stderr.splitlines()
    assert line.startswith("gradbench: interrupted: finished re-runs are kept; to continue: ")
    assert line.endswith("--output results --run c")


@pytest.mark.parametrize(
    ("loads", "said"),
    [
        ([0], "on the machine as it is"),
        ([1], "beside 1 busy process"),
        ([2], "beside 2 busy processes"),
        ([0, 2], "beside each of 0, 2 busy processes"),
    ],
)
def test_loads_are_said_in_words(loads: list[int], said: str) -> None:
    assert say_loads(loads) == said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--runs", "1"], "2 or more"),
        (["--seconds", "0"], "above 0"),
        (["--hogs", "0,-1"], "0,1,2"),
        (["--hogs", "many"], "0,1,2"),
        (["model=bogus"], "mlp_small"),
        (["strategy@baseline=bogus"], "no_grad"),
        (["--output", "a_file/below"], "a_file"),
        (["run=a"], "--run NAME"),
        (["++output=x"], "--output FOLDER"),
        (["measurement.budget_s=3"], "--seconds NUMBER"),
    ],
)
def test_bad_request_gets_one_message_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], named: str
) -> None:
    (tmp_path / "a_file").touch()
    answer = subprocess.run(
        [*COMMAND, *arguments], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert answer.returncode == 2, answer.stdout
    assert named in answer.stderr
    assert "Traceback" not in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a_file"]
