"""A CUDA context that is lost ends an experiment; CUDA itself is played by a patched function."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

import gradbench
from gradbench.observing import symptom
from gradbench.observing.alive import DeviceLost, alive
from gradbench.observing.cases import observe_each
from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.symptom import State
from gradbench.observing.task import TrialTask
from gradbench.observing.trial import Trial
from gradbench.request.versions import versions_here
from gradbench.results.store import Store

CUDA = torch.device("cuda", 0)


class Context:
    """What a CUDA context is to these tests: there, or lost for good."""

    lost = False

    def synchronize(self, device: torch.device) -> None:
        if self.lost:
            raise RuntimeError("CUDA error: device-side assert triggered\nsee the manual")


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Context:
    context = Context()
    monkeypatch.setattr(torch.cuda, "synchronize", context.synchronize)
    return context


def fine(device: torch.device) -> Observation:
    return Observation(case="fine", expected="a", outcome="a", verdict=Verdict.confirmed)


def broken(device: torch.device) -> Observation:
    raise RuntimeError("no such kernel")


def loser(context: Context, raises: bool) -> Callable[[torch.device], Observation]:
    def losing(device: torch.device) -> Observation:
        context.lost = True
        if raises:
            raise RuntimeError("an error that came late")
        return Observation(case="x", expected="a", outcome="error", verdict=Verdict.defect)

    return losing


@pytest.mark.parametrize("raises", [True, False])
def test_a_lost_device_ends_the_cases_and_names_the_last(context: Context, raises: bool) -> None:
    cases = observe_each([fine, broken, loser(context, raises), fine], CUDA)
    seen: list[Observation] = []
    with pytest.raises(DeviceLost, match=r"'losing'.*RuntimeError: CUDA error: device-side"):
        seen.extend(cases)
    assert [o.verdict for o in seen] == [Verdict.confirmed, Verdict.failed]
    assert list(cases) == []


def test_a_device_that_is_no_cuda_is_not_asked(context: Context) -> None:
    context.lost = True
    with alive(torch.device("cpu"), "a case"):
        pass
    assert len(list(observe_each([fine, broken], torch.device("cpu")))) == 2


def test_a_lost_device_ends_the_modes(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    # It would ask for the state of CUDA's random numbers.
    monkeypatch.setattr(symptom, "_global_state_restored", lambda _: nullcontext())

    def losing(device: torch.device) -> None:
        """It asserts."""
        context.lost = True
        raise RuntimeError("out of range")

    def right(device: torch.device) -> Mapping[str, Any]:
        """It is right."""
        return {"got": torch.ones(1), "right": torch.ones(1)}

    mode = FailureMode(
        title="t", broken=losing, fix=right, twin=right, state=State.error, says="out of range"
    )
    with pytest.raises(DeviceLost, match="'losing, broken'"):
        next(observe_modes([mode], CUDA))


HEAD = """
from gradbench.observing.alive import DeviceLost
from gradbench.observing.observation import Observation, Verdict

def observe(device):
    yield Observation(case="{}", expected="x", outcome="y", verdict=Verdict.confirmed)
    raise {}("gone")
"""


@pytest.mark.parametrize(
    ("error", "left"),
    [
        ("DeviceLost", ["one", "part0: whole experiment"]),
        ("OSError", ["one", "part0: whole experiment", "two", "part1: whole experiment"]),
    ],
)
def test_no_file_follows_a_lost_device(tmp_path: Path, error: str, left: list[str]) -> None:
    (tmp_path / "mine").mkdir()
    for place, case in enumerate(("one", "two")):
        (tmp_path / "mine" / f"part{place}.py").write_text(HEAD.format(case, error))
    target = "gradbench.observing.experiment.Experiment"
    options = {
        "experiment": {"_target_": target, "file": str(tmp_path / "mine")},
        "device": {"_target_": "gradbench.devices.cpu.Cpu"},
    }
    trial = Trial("r", "h", "mine", "cpu", None, options, 60.0, versions_here())
    finished = TrialTask(trial, Store(tmp_path / "r")).do(lambda *_: None)
    assert finished.statuses["failed"] == len(left) // 2
    rows = gradbench.load(tmp_path / "r", "observations")
    assert list(rows["case"]) == left
    assert f"{error}: gone" in rows["message"][1]
