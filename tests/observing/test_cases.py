from collections.abc import Callable

import pytest
import torch

from gradbench.observing.cases import claim, documented, observe_each
from gradbench.observing.observation import Observation, Verdict

CPU = torch.device("cpu")


def fine(device: torch.device) -> Observation:
    return Observation(case="fine", expected="a", outcome="a", verdict=Verdict.confirmed)


def broken(device: torch.device) -> Observation:
    raise RuntimeError("no such kernel")


def test_a_case_that_raises_loses_no_other() -> None:
    seen = list(observe_each([broken, fine], CPU))
    assert [(o.case, o.verdict.value) for o in seen] == [
        ("broken", "failed"),
        ("fine", "confirmed"),
    ]
    assert seen[0].message == "RuntimeError: no such kernel"


@pytest.mark.parametrize(
    ("judge", "yes", "no"),
    [(claim, "confirmed", "refuted"), (documented, "as_documented", "defect")],
)
def test_judges(judge: Callable[[bool], Verdict], yes: str, no: str) -> None:
    assert (judge(True).value, judge(False).value) == (yes, no)
