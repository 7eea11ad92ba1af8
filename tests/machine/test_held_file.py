"""A file is one process's until it ends, however it ends."""

import errno
import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import Timeout

from gradbench.machine.held_file import held

HOLD = """
import sys
from pathlib import Path
from gradbench.machine.held_file import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    file = tmp_path / "f"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Timeout), held(file):
            pytest.fail("two hold it")
        waiting = threading.Event()
        threading.Thread(target=lambda: (waiting.wait(30), holder.kill())).start()
        with held(file, waiting.set):
            assert waiting.is_set()
    with held(file):
        pass
    assert file.is_file()


@pytest.mark.parametrize("answer", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_flock_nothing_is_held(
    answer: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(answer, "no flock here")

    monkeypatch.setattr(fcntl, "flock", flock)
    with held(tmp_path / "f"), held(tmp_path / "f"):
        (tmp_path / "f").write_text("written")
    assert [file.name for file in tmp_path.iterdir()] == ["f"]


def test_what_else_goes_wrong_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(FileExistsError), held(tmp_path / "f" / "g"):
        pass

    def flock(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="broken"), held(tmp_path / "f"):
        pass


def test_permissions_are_the_umasks_unless_they_are_given(tmp_path: Path) -> None:
    with held(tmp_path / "own"), held(tmp_path / "shared", mode=0o666):
        (tmp_path / "plain").touch()
    permissions = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert permissions["own"] == permissions["plain"]
    assert permissions["shared"] == 0o666
