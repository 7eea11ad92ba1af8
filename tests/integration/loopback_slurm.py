"""A Slurm of one node on this machine: started, used and stopped, with nothing left behind.

    python -m tests.integration.loopback_slurm srun hostname

runs a command inside of it. It needs what Debian's packages ``slurm-wlm`` and ``munge`` install;
its folders, keys and ports are its own, so that it runs beside another one.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
_PATIENCE_S = 20.0

CONFIGURATION = """\
ClusterName=gradbench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=loopback Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Say what is not installed; None where all is."""
    lacking = [command for command in COMMANDS if shutil.which(command, path=PATH) is None]
    hint = "install Debian's slurm-wlm and munge"
    return f"no {', '.join(lacking)} here: {hint}" if lacking else None


@contextmanager
def loopback_slurm() -> Iterator[dict[str, str]]:
    """Start a Slurm and stop it in the end.

    Yields:
        The environment in which its commands work.
    """
    folder = Path(tempfile.mkdtemp(prefix="gradbench-slurm-"))
    environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        _configure(folder)
        for command in _daemons(folder):
            log = (folder / f"{Path(command[0]).name}.log").open("wb")
            with log:
                daemons.append(
                    subprocess.Popen(
                        command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                    )
                )
            if command[0] == "munged":
                _await((folder / "munge.socket").exists, daemons, folder)
        _await(lambda: _is_idle(environment), daemons, folder)
        yield environment
    finally:
        subprocess.run(
            ["scancel", "--full", f"--user={getpass.getuser()}"],
            env=environment, capture_output=True, check=False, timeout=10,
        )  # fmt: skip
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(timeout=5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)  # munged refuses a socket that others cannot reach
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    control_port, node_port = _free_ports(2)
    text = CONFIGURATION.format(
        host=socket.gethostname().partition(".")[0],
        user=getpass.getuser(),
        cpus=os.cpu_count(),
        control_port=control_port,
        node_port=node_port,
        folder=folder,
    )
    (folder / "slurm.conf").write_text(text)


def _daemons(folder: Path) -> Iterator[Sequence[str]]:
    munge = {
        "socket": "munge.socket",
        "key-file": "munge.key",
        "pid-file": "munge.pid",
        "seed-file": "munge.seed",
        "log-file": "munge.log",
    }
    files = [f"--{option}={folder / name}" for option, name in munge.items()]
    # --force: a temporary folder is everybody's, which munged would not have for its key.
    yield ["munged", "--foreground", "--force", "--num-threads=2", *files]
    yield ["slurmctld", "-D", "-i"]
    yield ["slurmd", "-D"]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _is_idle(environment: Mapping[str, str]) -> bool:
    command = ["sinfo", "--noheader", "--format=%T"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return answer.stdout.strip() == "idle"


def _await(
    condition: Callable[[], bool], daemons: Sequence[subprocess.Popen[bytes]], folder: Path
) -> None:
    """Wait until something holds; raise with the logs if it does not come."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        died = [daemon.args for daemon in daemons if daemon.poll() is not None]
        if died or time.monotonic() > deadline:
            logs = "\n".join(
                f"{log.name}: {log.read_text(errors='replace')[-2000:]}"
                for log in folder.glob("*.log")
            )
            raise RuntimeError(f"Slurm did not start; ended: {died}\n{logs}")
        time.sleep(0.1)


def main() -> int:
    """Run the command given inside a Slurm of its own."""
    reason = missing()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 2
    with loopback_slurm() as environment:
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
