import pytest

from gradbench.gpus import processes_on, visible_gpus
from tests.submission.conftest import TWO_GPUS, Commands


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
def test_what_cuda_shows(
    chosen: str | None, seen: list[str], commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(nvidia_smi=TWO_GPUS)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == seen


def test_processes(commands: Commands) -> None:
    commands(nvidia_smi=TWO_GPUS)
    assert processes_on("GPU-aaaa") == []
    assert processes_on("GPU-bbbb") == [1234]


def test_a_driver_that_does_not_answer(commands: Commands) -> None:
    commands(nvidia_smi="echo 'NVIDIA-SMI has failed'; exit 9")
    assert visible_gpus() == []
