import subprocess
import sys

import pytest

from gradbench.machine.gpu import driver_version, processes_on, visible_gpus


@pytest.mark.parametrize(
    ("chosen", "seen"),
    [
        (None, ["GPU-aaaa", "GPU-bbbb"]),
        ("", []),
        ("1", ["GPU-bbbb"]),
        ("1,0", ["GPU-bbbb", "GPU-aaaa"]),
        ("GPU-b", ["GPU-bbbb"]),
        ("0,7,1", ["GPU-aaaa"]),
    ],
)
@pytest.mark.usefixtures("two_gpus")
def test_what_cuda_shows(
    chosen: str | None, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == seen


@pytest.mark.usefixtures("two_gpus")
def test_processes() -> None:
    assert processes_on("GPU-aaaa") == []
    assert processes_on("GPU-bbbb") == [1234]
    assert processes_on("GPU-dddd") is None


@pytest.mark.usefixtures("two_gpus")
def test_a_driver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    import pynvml

    def no_driver() -> None:
        raise pynvml.NVMLError("Driver Not Loaded")

    assert driver_version() == "570.86.15"
    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)
    assert visible_gpus() == []
    assert processes_on("GPU-bbbb") is None
    assert driver_version() is None


@pytest.mark.usefixtures("two_gpus")
def test_a_machine_without_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert visible_gpus() == []
    assert driver_version() is None


@pytest.mark.usefixtures("two_gpus")
def test_the_server_that_forks_workers_opens_no_driver() -> None:
    program = (
        "from gradbench.sweep.worker_server import PRELOADED; [*map(__import__, PRELOADED)]; "
        "import gradbench.machine.gpu, pynvml; assert not pynvml.ready; "
        "assert gradbench.machine.gpu.visible_gpus(); assert pynvml.ready"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.usefixtures("two_gpus")
def test_a_submission_asks_without_torch() -> None:
    program = (
        "import sys; from gradbench.sweep.cluster.local import Machine; "
        "assert Machine('', {}).gpus; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
