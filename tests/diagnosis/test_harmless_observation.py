"""Whatever happens to the observation, the program runs as it would without."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gradbench.diagnosis.conclude import conclude
from gradbench.diagnosis.observe.backward import Backward
from gradbench.diagnosis.observe.movement import Movement
from gradbench.diagnosis.observe.names import Names
from gradbench.diagnosis.observe.observer import Observer
from gradbench.diagnosis.observe.places import Places
from gradbench.diagnosis.timeline import OBSERVATION_FAILED


def fails(*_: object) -> None:
    raise ValueError("planted")


def train() -> torch.Tensor:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()
    return model.weight.detach().clone()


@pytest.mark.parametrize(
    ("part", "method"),
    [(Places, "here"), (Names, "learn"), (Movement, "before"), (Backward, "_record")],
)
def test_a_program_does_not_notice_that_its_observation_fails(
    part: type, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = train()

    with Observer() as observer:
        monkeypatch.setattr(part, method, fails)
        got = train()
        monkeypatch.undo()
    assert torch.equal(got, right)
    said = observer.timeline().unseen
    assert any(each.startswith(OBSERVATION_FAILED) and "planted" in each for each in said), said


def test_a_failed_observation_raises_no_alarm() -> None:
    with Observer() as observer:
        encoder, head = torch.nn.Linear(3, 3), torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            head(encoder(torch.ones(2, 3)).detach()).sum().backward()
            optimizer.step()
    timeline = observer.timeline()
    assert conclude(timeline).alarming
    report = conclude(replace(timeline, unseen=(f"{OBSERVATION_FAILED}: planted",)))
    assert report.findings
    assert not report.alarming


def test_what_the_program_raises_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with Observer() as observer, pytest.raises(RuntimeError, match="size of tensor"):
        torch.ones(2) + torch.ones(3)
    assert not [each for each in observer.timeline().unseen if each.startswith(OBSERVATION_FAILED)]


def test_a_warning_of_torch_names_the_programs_line() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        with Observer():
            w = torch.ones(2, requires_grad=True) * 2
            torch.set_warn_always(True)
            for _ in range(2):
                assert w.grad is None
            torch.set_warn_always(False)
    assert {Path(each.filename).name for each in caught} == {Path(__file__).name}


def test_hooks_of_an_optimizer_run_when_the_watch_is_over() -> None:
    class Mine(torch.optim.Optimizer):
        def __init__(self, params: list[torch.Tensor]) -> None:
            super().__init__(params, {})

        def step(self, closure: object = None) -> None:
            pass

    with Observer():
        optimizer = Mine([torch.ones(1, requires_grad=True)])
    ran = []
    optimizer.register_step_post_hook(lambda *_: ran.append(1))
    optimizer.step()
    assert ran == [1]
