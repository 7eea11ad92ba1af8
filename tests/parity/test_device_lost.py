"""What CUDA raises late is blamed on the step that did it, and a lost device ends the hunt."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from gradbench.observing.alive import DeviceLost
from gradbench.observing.observation import Verdict
from gradbench.parity import trial
from gradbench.parity.cases import Case, Member
from gradbench.parity.catalogue import Entry, entry
from gradbench.parity.guarded import Place
from gradbench.parity.hunt import cases, hunt
from gradbench.parity.options import build
from tests.experiments.loading import load_experiment
from tests.parity.toy import Toy

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
CASE = Case("Toy", "for_loop", (("lr", 0.125),), torch.float32, "one", (Member((2, 3)),))
parity = load_experiment("parity.py")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Play CUDA on the CPU; each wait takes the next of the list, True for an error."""
    waits: list[bool] = []

    def synchronize(device: torch.device) -> None:
        if waits and waits.pop(0):
            raise RuntimeError("CUDA error: misaligned address")

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    monkeypatch.setattr(trial, "Place", lambda case, member, _: Place(case, member, CPU))
    monkeypatch.setattr(trial, "build", lambda options, _, dtype: build(options, CPU, dtype))
    return waits


def test_an_error_belongs_to_the_step_before_the_wait(failing: list[bool]) -> None:
    failing[:] = [False, True]
    trail = trial.run(entry(Toy), CASE, CUDA)
    assert trail.refusal is not None
    assert (trail.refusal.step, trail.refusal.message) == (1, "CUDA error: misaligned address")
    assert len(trail.parameters) == 1


def test_an_error_that_stays_loses_the_device(failing: list[bool]) -> None:
    failing[:] = [True] * 9
    with pytest.raises(DeviceLost, match="Toy for_loop"):
        trial.run(entry(Toy), CASE, CUDA)


def test_the_optimizers_before_a_lost_device_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(entry: Entry, thorough: bool = False) -> Iterator[object]:
        for case in cases(entry, thorough):
            if case.layout == "matrices" and case.implementation in ("for_loop", "foreach"):
                yield case

    class Last(Toy):
        pass

    class Never(Toy):
        pass

    asked = []

    def hunted(entry: Entry, device: torch.device, thorough: bool) -> Any:
        asked.append(entry.name)
        if entry.name == "Last":
            raise DeviceLost("cuda:0 is lost since the case 'Last'")
        return hunt(entry, device, thorough)

    monkeypatch.setattr(torch.optim, "Toy", Toy, raising=False)
    monkeypatch.setattr(Toy, "flaw", "changes the gradient")
    monkeypatch.setattr("gradbench.parity.hunt.cases", few)
    monkeypatch.setattr(parity, "catalogue", lambda: [entry(Toy), entry(Last), entry(Never)])
    monkeypatch.setattr(parity, "hunt", hunted)
    monkeypatch.setattr(parity, "reproduce", lambda *_: pytest.fail("a script ran"))
    seen: list[Any] = []
    with pytest.raises(DeviceLost, match="'Last'"):
        seen.extend(parity.observe(CPU))
    assert asked == ["Toy", "Last"]
    findings = [row for row in seen if row.check == "gradient"]
    assert [row.verdict for row in findings] == [Verdict.defect]
    assert "the device was lost" in findings[0].message
    assert findings[0].reproduction
    assert {row.optimizer for row in seen} == {"Toy"}
    assert Verdict.as_documented in {row.verdict for row in seen}


def test_a_script_that_loses_the_device_leaves_its_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def reproduce(*_: object) -> tuple[str, bool]:
        calls.append(1)
        raise DeviceLost("cuda:0 is lost since the script")

    monkeypatch.setattr(torch.optim, "Toy", Toy, raising=False)
    monkeypatch.setattr(Toy, "flaw", "changes the gradient")
    monkeypatch.setattr(
        "gradbench.parity.hunt.cases",
        lambda e, _: (c for c in cases(e) if c.layout == "matrices" and c.dtype == torch.float32),
    )
    monkeypatch.setattr(parity, "catalogue", lambda: [entry(Toy)])
    monkeypatch.setattr(parity, "reproduce", reproduce)
    seen: list[Any] = []
    with pytest.raises(DeviceLost, match="the script"):
        seen.extend(parity.observe(CPU))
    findings = [row for row in seen if row.check]
    assert "gradient" in {row.check for row in findings}
    assert all("the device was lost" in row.message for row in findings)
    assert len(calls) == 1
    assert len(seen) > len(findings)
