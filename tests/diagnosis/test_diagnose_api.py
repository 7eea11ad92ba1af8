"""A block that is watched: found out about afterwards, and left as it was."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

import gradbench
from gradbench.diagnosis.api import FindingsError
from gradbench.diagnosis.timeline import Kind
from gradbench.errors import BadRequest


def line_of(text: str) -> int:
    """The number of the line of this file that holds a text."""
    lines = Path(__file__).read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


class Net(nn.Module):
    def __init__(self, cut: bool = False) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, 2)
        self.head = nn.Linear(2, 1)
        self.cut = cut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.encoder(x)
        if self.cut:
            hidden = hidden.detach()  # the cause
        return self.head(hidden).square().mean()


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(4, 3)).backward()
        optimizer.step()


def made(cut: bool = False) -> tuple[Net, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = Net(cut)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def test_a_finding_is_a_row_with_its_place() -> None:
    model, optimizer = made(cut=True)
    with gradbench.diagnose(model, optimizer) as diagnosis:
        train(model, optimizer)
    assert isinstance(diagnosis.findings, pd.DataFrame)
    [found] = diagnosis.findings.to_dict("records")
    assert found["check"] == "GB101"
    assert Path(found["file"]).name == Path(__file__).name
    assert found["line"] == line_of("# the cause")
    assert found["parameters"] == ["encoder.weight", "encoder.bias"]
    assert str(diagnosis) == repr(diagnosis)
    assert "GB101" in str(diagnosis)
    assert "\x1b" not in str(diagnosis)
    html = diagnosis._repr_html_()
    assert html is not None
    assert html.startswith("<pre")
    assert "GB101" in html
    with pytest.raises(FindingsError, match="GB101"):
        diagnosis.raise_for_findings(level="error")


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    model, optimizer = made()
    with gradbench.diagnose() as diagnosis:
        train(model, optimizer)
    assert diagnosis.findings.empty
    assert "check" in diagnosis.findings.columns
    diagnosis.raise_for_findings()
    report = diagnosis.report
    assert report.steps == 3
    assert report.watched == {"parameters": 4, "optimizers": 1, "backward passes": 3}
    assert report.overhead > 1


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("scheduled", [True, False])
def test_steps_of_what_was_there_before_are_seen(given: bool, scheduled: bool) -> None:
    model, optimizer = made()
    if scheduled:  # it puts a step on the optimizer that leads past the class's
        torch.optim.lr_scheduler.StepLR(optimizer, 1)
        before = vars(optimizer)["step"]
    with gradbench.diagnose(*((model, optimizer) if given else ())) as diagnosis:
        for _ in range(2):  # nothing asks for the optimizer before its step
            model(torch.ones(4, 3)).backward()
            optimizer.step()
    steps = diagnosis.timeline.of(Kind.step)
    assert len(steps) == 2
    assert len(steps[0].detail["moved"]) == 4
    assert scheduled is False or vars(optimizer)["step"] is before


def test_a_wrapper_of_an_optimizer_is_no_second_one() -> None:
    class Wrapper(torch.optim.Optimizer):
        def __init__(self, optimizer: torch.optim.Optimizer) -> None:
            self.optimizer = optimizer

        @property
        def param_groups(self) -> list[dict]:  # type: ignore[override]
            return self.optimizer.param_groups

        def step(self, closure: None = None) -> None:  # type: ignore[override]
            self.optimizer.step()

    model, optimizer = made()
    wrapper = Wrapper(optimizer)
    for given in ((model, wrapper), ()):
        with gradbench.diagnose(*given) as diagnosis:
            for _ in range(2):
                model(torch.ones(4, 3)).backward()
                wrapper.step()
        assert diagnosis.report.steps == 2
        assert diagnosis.report.watched["optimizers"] == 1


def test_an_error_passes_through_and_is_known_afterwards() -> None:
    raised = ValueError("of the block")
    with (
        pytest.raises(ValueError, match="of the block") as caught,
        gradbench.diagnose() as diagnosis,
    ):
        raise raised
    assert caught.value is raised
    [error] = diagnosis.timeline.of(Kind.error)
    assert error.name == "ValueError"


def test_the_block_ends_after_the_updates_asked_for() -> None:
    model, optimizer = made()
    with gradbench.diagnose(model, optimizer, steps=2) as diagnosis:
        train(model, optimizer, steps=10)
        pytest.fail("the block went on")
    assert diagnosis.report.steps == 2
    train(model, optimizer, steps=2)  # what was watched is not ended any more


def test_what_a_block_leaves_behind_records_no_more() -> None:
    model, optimizer = made()
    with gradbench.diagnose(model, optimizer, steps=2) as diagnosis:
        torch.optim.lr_scheduler.StepLR(optimizer, 1)  # keeps the step that is watched
        loss = model(torch.ones(4, 3))
    events = len(diagnosis.timeline.events)
    loss.backward()
    train(model, optimizer, steps=5)
    assert len(diagnosis.timeline.events) == events


def test_one_diagnosis_within_another_is_refused() -> None:
    with gradbench.diagnose() as outer:
        with pytest.raises(BadRequest, match="runs already"), gradbench.diagnose():
            pass
        assert "watching" in repr(outer)
        assert outer._repr_html_() is None
        with pytest.raises(BadRequest, match="before the block has ended"):
            outer.findings  # noqa: B018
    with gradbench.diagnose():
        pass


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((), {"only": ["GB999"]}, "no check GB999: .*GB101"),
        ((), {"ignore": "GB"}, "no check GB: "),
        ((), {"steps": 0}, "choose a whole number from 1"),
        ((3,), {}, r"diagnose\(int\): give modules and optimizers"),
    ],
)
def test_a_wrong_request_is_refused_before_the_block(
    arguments: tuple[object, ...], options: dict[str, object], said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        gradbench.diagnose(*arguments, **options)  # type: ignore[arg-type]


def test_checks_are_chosen() -> None:
    model, optimizer = made(cut=True)
    with gradbench.diagnose(model, optimizer, ignore="gb101") as diagnosis:
        train(model, optimizer)
    assert diagnosis.findings.empty
    with pytest.raises(BadRequest, match="choose from error, warning"):
        diagnosis.raise_for_findings(level="note")


def test_importing_gradbench_imports_no_torch() -> None:
    code = "import gradbench, sys; gradbench.diagnose; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
