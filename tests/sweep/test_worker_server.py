"""The workers' server, started before it is known whether a worker will be wanted."""

import subprocess
import sys
from pathlib import Path

import psutil

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
