"""The for-loop is held to what is documented, and a restored state to one that went on."""

from collections.abc import Callable

import pytest
import torch

from gradbench.parity import definitions
from gradbench.parity.cases import Case
from gradbench.parity.catalogue import COMPILED, Entry, catalogue
from gradbench.parity.checks import Judge
from gradbench.parity.findings import Finding, explain, symptoms
from gradbench.parity.hunt import cases
from gradbench.parity.reproduction import reproduce, shows
from tests.parity.planted import PLANTED
from tests.parity.planted.copies import Absent, copied

ENTRIES = {found.name: found for found in catalogue()}


def findings(entry: Entry, pick: Callable[[Case], bool], device: torch.device) -> list[Finding]:
    judge = Judge(entry, device)
    some = [case for case in cases(entry) if pick(case) and case.implementation != COMPILED]
    assert some
    return explain(judge, [(case, f) for case in some for f in symptoms(judge.judge(case))])


@pytest.mark.parametrize("name", [name for name in ENTRIES if name != "LBFGS"])
def test_torchs_for_loop_does_what_is_documented(name: str, device: torch.device) -> None:
    assert hasattr(definitions, name.lower()), "an optimizer without definition"
    judge, layouts = Judge(ENTRIES[name], device), ("eight steps, varying", "eight steps, sparse")
    judged = [
        judge.judge(case)
        for case in cases(ENTRIES[name])
        if case.implementation == "for_loop" and case.layout in layouts
    ]
    assert judged
    assert [one for one in judged if one.failure("definition")] == []


@pytest.mark.parametrize(
    ("told", "layout", "check"),
    [
        ("SGD, every: dampening ignored", "eight steps", "definition"),
        ("SparseAdam, every: betas swapped", "eight steps, sparse", "definition"),
        ("Adam, every: restoring loading starts the count anew", "eight steps, restored", "values"),
        ("SGD, every: momentum of the first group used for all", "parameter groups", "values"),
        ("Adam, every: betas first tensor overwritten", "matrices", "options"),
    ],
)
def test_what_every_implementation_does_wrong_is_found_and_shown(
    told: str, layout: str, check: str, monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    planted = next(one for one in PLANTED if str(one) == told)
    real = getattr(torch.optim, planted.optimizer)
    try:
        made = copied(planted.optimizer, planted)
    except Absent as absent:
        pytest.skip(str(absent))
    monkeypatch.setattr(torch.optim, planted.optimizer, made.make)

    def pick(case: Case) -> bool:
        return case.layout == layout and case.dtype == torch.float32

    found = {finding.failure.check: finding for finding in findings(made, pick, device)}
    text, shown = reproduce(made, found[check].case, found[check].failure, device)
    assert shown, text
    monkeypatch.setattr(torch.optim, planted.optimizer, real)
    assert not shows(text, found[check].failure), text
