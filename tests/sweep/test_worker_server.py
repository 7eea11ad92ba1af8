"""The workers' server, started before it is known whether a worker will be wanted."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.sweeping import LINEAR, ROOT, Sweep, wait_gone

ENDED_AND_ASKED_AGAIN = """
import os, psutil
from gradbench.sweep.worker_server import end_unused, forkserver_context, start_ahead
from tests.integration.sweeping import wait_gone

pid = start_ahead()
assert psutil.pid_exists(pid)
assert start_ahead() is None  # it runs already
end_unused(pid + 1)  # somebody else's
assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
end_unused(pid)
assert wait_gone(psutil.Process(pid), 10)
process = forkserver_context().Process(target=os.getpid)
process.start()
process.join()
print(process.exitcode)
"""


def test_a_server_that_was_ended_is_started_anew_for_a_worker() -> None:
    command = [sys.executable, "-c", ENDED_AND_ASKED_AGAIN]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert answer.stdout.strip() == "0", answer.stderr


def test_a_refused_multirun_leaves_no_server(tmp_path: Path) -> None:
    refused = Sweep(tmp_path, (*LINEAR, "-m", "rule=sgd,nonsense"))
    seen: set[psutil.Process] = set()
    while refused.process.poll() is None:
        seen.update(psutil.Process(refused.process.pid).children())
    status, _, errors = refused.end(1)  # what still had the pipes open would keep it
    assert status == 2, errors
    assert any(seen)
    assert all(wait_gone(process, 1.0) for process in seen)


ASKED_WHILE_IMPORTING = """
import importlib
import torch
from gradbench.sweep.worker_server import PRELOADED, forkserver_context

asked = []  # some versions of torch ask while they are imported

def is_available():
    asked.append(torch.cuda._nvml_based_avail())
    return False

def refuse(*_):
    raise AssertionError("this needs the CUDA runtime")

torch.cuda.is_available = is_available
torch.cuda.device_count = torch.cuda.init = torch.cuda._lazy_init = refuse
forkserver_context()
for name in PRELOADED:
    importlib.import_module(name)
torch.cuda.is_available()
print(all(asked))
"""


def test_the_server_asks_only_nvml_for_gpus() -> None:
    """Had it asked the CUDA runtime, no process forked from it could use a GPU."""
    command = [sys.executable, "-c", ASKED_WHILE_IMPORTING]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert answer.stdout.strip() == "True", answer.stderr


STARTED_WITHOUT_A_TRACKER = """
import re
from pathlib import Path
from gradbench.sweep.worker_server import start_ahead

status = Path(f"/proc/{start_ahead()}/status").read_text()
print(int(re.search(r"SigBlk:\\s*(\\w+)", status).group(1), 16) >> 1 & 1)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says what is blocked")
def test_ctrl_c_does_not_reach_a_server_that_imports() -> None:
    """multiprocessing starts a tracker first, and would unblock SIGINT after that."""
    command = [sys.executable, "-c", STARTED_WITHOUT_A_TRACKER]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert answer.stdout.strip() == "1", answer.stderr


HELD_BY_A_WORKER = """
from collections import Counter
from multiprocessing import synchronize

from gradbench.request.task import Finished
from gradbench.sweep.worker import Workers

class Bars:
    limit_s = 60.0

    def do(self, progress):
        from tqdm import tqdm
        held = []
        synchronize.SemLock.__init__ = lambda *_, **__: held.append(1) or 1 / 0
        list(tqdm([1]))
        return Finished(Counter({"held": len(held)}))

    def lost(self, reason):
        return Finished(Counter(), [reason])

if __name__ == "__main__":
    print(Workers("METHOD").run(Bars(), lambda *_: None))
"""


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_worker_takes_no_semaphore_for_bars(tmp_path: Path, method: str) -> None:
    """It could not give it back when it is ended, and multiprocessing would warn of that."""
    pytest.importorskip("tqdm")
    script = tmp_path / "bars.py"
    script.write_text(HELD_BY_A_WORKER.replace("METHOD", method))
    answer = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "Counter({'held': 0}), reasons=[]" in answer.stdout, answer.stdout + answer.stderr
