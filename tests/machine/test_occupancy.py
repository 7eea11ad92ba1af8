import pytest

from gradbench.machine.occupancy import others_on_device, sharing_columns
from tests.conftest import Commands


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_of_its_own_and_one_that_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert others_on_device("cuda", 0) == []
    assert others_on_device("cuda", 1) == ["process 1234"]
    assert others_on_device("cuda", 2) is None
    import pynvml

    def not_told(handle: str) -> None:
        raise pynvml.NVMLError("Not Supported")

    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", not_told)
    assert others_on_device("cuda", 0) is None


def test_jobs_on_the_node(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURMD_NODENAME", "node7")
    commands(squeue="""case "$*" in *--nodelist=node7*) echo '12 10_1';; esac""")
    assert others_on_device("cpu", 0) == []
    commands(squeue="printf '12 10_1\\n13 10_2\\n'")
    assert others_on_device("cpu", 0) == ["Slurm job 10_2"]
    commands(squeue="exit 1")
    assert others_on_device("cpu", 0) is None


def test_nobody_can_tell_on_a_machine_without_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert others_on_device("cpu", 0) is None


def test_columns() -> None:
    assert sharing_columns([[], []]) == {"exclusive": True, "shared_with": None}
    assert sharing_columns([None, []]) == {"exclusive": None, "shared_with": None}
    seen: list[list[str] | None] = [["a"], None, ["a", "b"]]
    assert sharing_columns(seen) == {"exclusive": False, "shared_with": "a, b"}
