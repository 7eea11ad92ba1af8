"""The hunt finds planted defects, and nothing in faithful copies.

One in ten is planted here; ``python -m tools.planted_page`` plants all and writes what came of it.
"""

import re
from importlib import import_module
from pathlib import Path

import pytest
import torch

from gradbench.parity.catalogue import catalogue
from gradbench.report.markdown import markdown_table
from tests.parity.planted import PLANTED
from tests.parity.planted.copies import Absent, Planted, copied
from tests.parity.planted.sought import differences, seek

PAGE = Path(__file__).parents[2] / "experiments" / "parity_planted.md"
SAMPLE = PLANTED[::10]
NAMES = [found.name for found in catalogue()]


@pytest.mark.parametrize("planted", SAMPLE, ids=str)
def test_a_planted_defect_is_found(planted: Planted, device: torch.device) -> None:
    if planted.needs_cuda and device.type != "cuda":
        pytest.skip("torch.optim refuses capturable on the CPU")
    try:
        sought = seek(planted, device)
    except Absent as absent:
        pytest.skip(str(absent))
    assert (sought.case is None) == bool(planted.unseen), sought


@pytest.mark.parametrize("name", NAMES)
def test_a_faithful_copy_yields_what_the_original_does(name: str, device: torch.device) -> None:
    assert differences(name, device, every=29) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_has_defects_that_differ(name: str) -> None:
    mine = [planted for planted in PLANTED if planted.optimizer == name]
    assert len({str(planted) for planted in mine}) == len(mine) >= 8
    assert len({(planted.place, planted.old, planted.new) for planted in mine}) == len(mine)


def test_a_defect_whose_place_is_gone_says_so() -> None:
    with pytest.raises(Absent, match="nowhere"):
        copied("SGD", Planted("SGD", "lr", "x", "SGD.step", "nowhere", "y"))
    with pytest.raises(Absent, match="gone"):
        copied("SGD", Planted("SGD", "lr", "x", "gone", "lr", "y"))


def test_planting_leaves_torch_alone() -> None:
    module = import_module("torch.optim.sgd")
    before = dict(vars(module))
    made = copied("SGD", next(p for p in PLANTED if p.optimizer == "SGD" and p.what == "doubled"))
    assert vars(module) == before
    moved = []
    for make in (torch.optim.SGD, made.make):
        parameter = torch.zeros(1, requires_grad=True)
        parameter.grad = torch.ones(1)
        make([parameter], lr=0.125, foreach=True).step()
        moved.append(float(parameter.detach()))
    assert moved == [-0.125, -0.25]


def test_the_page_tells_of_every_defect() -> None:
    page = PAGE.read_text()
    rows = [[p.optimizer, p.where, p.about, p.what] for p in PLANTED]
    lines = [markdown_table([], [row]).splitlines()[-1].rstrip("|") for row in rows]
    assert [line for line in lines if line not in page] == []
    found, reached = map(int, re.findall(r"Found: (\d+) of (\d+)", page)[0])
    unseen = sum(bool(p.unseen) for p in PLANTED)
    assert found == reached - unseen >= 0.95 * reached
    assert page.count("unknown") == 0
