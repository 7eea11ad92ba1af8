"""What gradbench uses of multiprocessing without Python's promise."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.sweeping import ROOT

SERVER = """
import multiprocessing, os
from multiprocessing import forkserver
from gradbench.sweep import worker_server

assert worker_server._pid() is None, "there is a process id before there is a server"
forkserver.ensure_running()
parent = multiprocessing.get_context("forkserver").Pool(1).apply(os.getppid)
assert worker_server._pid() == parent, (
    f"_forkserver._forkserver_pid is {worker_server._pid()}, and workers are forked from {parent}"
)
"""

FOLDER = """
import multiprocessing.util
from multiprocessing import forkserver
from pathlib import Path
from gradbench.sweep.scratch import scratch_folder

folder = scratch_folder()
for _ in range(2):
    made = Path(multiprocessing.util.get_temp_dir())
    assert made.parent == folder, f"multiprocessing makes its sockets in {made}, not in {folder}"
forkserver.ensure_running()
assert list(made.iterdir()), f"the server's socket is not in {made}"
"""


def run(program: str, place: Path) -> str:
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT), "TMPDIR": str(place)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stderr


def test_private_process_id_is_the_servers(tmp_path: Path) -> None:
    run(SERVER, tmp_path)


def test_private_folder_of_sockets_is_in_the_scratch_and_goes_first(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    place = tmp_path_factory.mktemp("f")
    errors = run(FOLDER, place)
    assert errors == "", "multiprocessing removes its folder after gradbench has removed both"
    assert list(place.iterdir()) == []
