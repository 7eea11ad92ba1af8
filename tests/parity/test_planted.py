import pytest
import torch

from gradbench.parity import known
from gradbench.parity.cases import Case
from gradbench.parity.catalogue import COMPILED, Entry, entry
from gradbench.parity.checks import Judge, Outcome
from gradbench.parity.findings import Finding, explain, merge, symptoms
from gradbench.parity.hunt import cases
from gradbench.parity.reproduction import script, shows
from tests.parity.toy import Toy

LAYOUTS = ("matrices", "no gradient", "strided parameter", "parameter groups", "empty")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Entry:
    monkeypatch.setattr(torch.optim, "Toy", Toy, raising=False)
    return entry(Toy)


def tried(toy: Entry) -> list[Case]:
    return [
        case
        for case in cases(toy)
        if case.layout in LAYOUTS
        and case.implementation != COMPILED
        and case.dtype in (torch.float32, torch.bfloat16)
    ]


def hunted(toy: Entry, device: torch.device) -> list[Finding]:
    judge = Judge(toy, device)
    failing = [(case, failure) for case in tried(toy) for failure in symptoms(judge.judge(case))]
    return merge(explain(judge, failing))


def test_a_clean_optimizer_yields_no_finding(toy: Entry, device: torch.device) -> None:
    judge = Judge(toy, device)
    outcomes = [judge.judge(case).outcome for case in tried(toy)]
    assert len(outcomes) > 30
    assert set(outcomes) == {Outcome.agrees}


@pytest.mark.parametrize(
    ("flaw", "check", "options", "elements"),
    [
        ("skips an element", "unwritten", set(), 5),
        ("changes the gradient", "gradient", {"momentum"}, 1),
        ("writes beside", "outside", set(), 1),
        ("hides the version", "version", set(), 1),
        ("looks too far ahead", "values", {"momentum", "nesterov"}, 1),
        ("keeps another type", "state_kind", {"momentum"}, 1),
        ("loses a None", "absent", set(), 2),
        ("overwrites the rate", "options", {"lr"}, 1),
        ("raises at the second step", "raises", set(), 1),
    ],
)
def test_a_planted_defect_is_found_and_made_small(
    toy: Entry,
    monkeypatch: pytest.MonkeyPatch,
    flaw: str,
    check: str,
    options: set[str],
    elements: int,
    device: torch.device,
) -> None:
    monkeypatch.setattr(Toy, "flaw", flaw)
    found = {finding.failure.check: finding for finding in hunted(toy, device)}
    assert check in found, found
    finding = found[check]
    assert finding.implementations == {"foreach"}
    assert {name for name, value in finding.case.options if value != 0.125 or name != "lr"} == (
        options
    )
    sizes = [torch.Size(member.shape).numel() for member in finding.case.members]
    assert sum(sizes) <= elements + 1, finding.case
    assert finding.case.dtype == torch.float32
    text = script(toy, finding.case, finding.failure, device)
    assert shows(text, finding.failure), text
    monkeypatch.setattr(Toy, "flaw", "")
    assert not shows(text, finding.failure), text


def test_one_defect_over_many_cases_is_one_finding(
    toy: Entry, monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    monkeypatch.setattr(Toy, "flaw", "hides the version")
    (finding,) = hunted(toy, device)
    assert len(finding.places) >= len(LAYOUTS)
    assert finding.dtypes == {"float32", "bfloat16"}


def test_reports_cite_and_decide_nothing() -> None:
    sgd = Case("SGD", "fused", (("lr", 0.125),), torch.bfloat16, "matrices", ())
    assert known.source_of(sgd, "unwritten") == "pt#191763"
    assert known.source_of(sgd, "outside") == ""
