"""The hunt, sent after planted defects: what it says of a copy that it does not of the original."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gradbench.parity.cases import Case
from gradbench.parity.catalogue import COMPILED, Entry, entry
from gradbench.parity.checks import Failure, Judge
from gradbench.parity.findings import symptoms
from gradbench.parity.hunt import cases
from tests.parity.planted.copies import Planted, copied

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Sought:
    """What came of one planted defect.

    Args:
        planted: The defect.
        case: The first case that shows it; None where none does.
        check: The check that fails there, gravest first.
        tried: Cases carried out until then.
    """

    planted: Planted
    case: Case | None
    check: str
    tried: int


def seek(planted: Planted) -> Sought:
    """Judge the cases of a copy with the defect in the hunt's order, until one fails anew.

    ``compiled``, which takes seconds, is tried where the defect is about it.
    """
    tried = 0
    for tried, (case, failures) in enumerate(_judged(copied(planted.optimizer, planted), planted), 1):
        if failures:
            old = {failure.check for failure in _of_the_original(case)}
            new = [failure for failure in failures if failure.check not in old]
            if new:
                return Sought(planted, case, new[0].check, tried)
    return Sought(planted, None, "", tried)


def differences(optimizer: str, every: int = 1) -> list[tuple[Case, set[str]]]:
    """Return the cases of which the hunt says other things of a faithful copy.

    Args:
        optimizer: Name of the class.
        every: Take only one case of so many.
    """
    made = copied(optimizer)
    judge = Judge(made, CPU)
    found = []
    for case in list(cases(made))[::every]:
        if case.implementation != COMPILED:
            mine = {failure.check for failure in symptoms(judge.judge(case))}
            theirs = {failure.check for failure in _of_the_original(case)}
            if mine != theirs:
                found.append((case, mine ^ theirs))
    return found


def _judged(made: Entry, planted: Planted) -> Iterator[tuple[Case, list[Failure]]]:
    judge = Judge(made, CPU)
    for case in cases(made):
        if case.implementation != COMPILED or planted.about == COMPILED:
            yield case, symptoms(judge.judge(case))


@functools.cache
def _of_the_original(case: Case) -> list[Failure]:
    return symptoms(_judge(case.optimizer).judge(case))


@functools.cache
def _judge(optimizer: str) -> Judge:
    return Judge(entry(getattr(torch.optim, optimizer)), CPU)
