import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gradbench.calibration.hogs import busy

ROOT = str(Path(__file__).parents[2])
ENVIRONMENT = {**os.environ, "PYTHONPATH": ROOT}
PROGRAM = """
import signal, sys, time
from gradbench.calibration.hogs import busy
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
with busy(2) as hogs:
    print(*hogs, flush=True)
    time.sleep(60)
"""


def gone(pids: list[int], patience_s: float = 10.0) -> bool:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_hogs_work_and_end_with_the_block() -> None:
    with busy(2) as hogs:
        assert len(hogs) == 2
        for pid in hogs:
            assert psutil.Process(pid).cpu_times().user > 0
    assert gone(hogs, 1.0)


def test_hogs_end_when_the_block_raises() -> None:
    pids: list[int] = []

    def interrupted() -> None:
        with busy(1) as hogs:
            pids.extend(hogs)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(pids) == 1
    assert gone(pids, 1.0)


def test_no_hogs_is_a_quiet_machine() -> None:
    with busy(0) as hogs:
        assert hogs == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_hogs_end_with_their_process(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        process.send_signal(how)
        process.wait(10)
    assert gone(pids)
