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


@dataclass(frozen=True)
class Sought:
    """What came of one planted defect.

    Args:
        planted: The defect.
        case: The first case tried that shows it; None where none does.
        check: The check that fails there, gravest first.
        tried: Cases carried out until then.
    """

    planted: Planted
    case: Case | None
    check: str
    tried: int


def seek(planted: Planted, device: torch.device) -> Sought:
    """Judge the cases of a copy with the defect, until one fails anew.

    Those come first that are few and see much, then the plain type; it is the hunt's set of cases.
    ``compiled``, which takes seconds, is tried where the defect is about it.
    """
    tried = 0
    for tried, (case, failures) in enumerate(
        _judged(copied(planted.optimizer, planted), planted, device), 1
    ):
        if failures:
            old = {failure.check for failure in _of_the_original(case, device)}
            new = [failure for failure in failures if failure.check not in old]
            if new:
                return Sought(planted, case, new[0].check, tried)
    return Sought(planted, None, "", tried)


def differences(
    optimizer: str, device: torch.device, every: int = 1
) -> list[tuple[Case, set[str]]]:
    """Return the cases of which the hunt says other things of a faithful copy.

    Args:
        optimizer: Name of the class.
        device: Where.
        every: Take only one case of so many.
    """
    made = copied(optimizer)
    judge = Judge(made, device)
    found = []
    for case in list(cases(made))[::every]:
        if case.implementation != COMPILED:
            mine = {failure.check for failure in symptoms(judge.judge(case))}
            theirs = {failure.check for failure in _of_the_original(case, device)}
            if mine != theirs:
                found.append((case, mine ^ theirs))
    return found


def _judged(
    made: Entry, planted: Planted, device: torch.device
) -> Iterator[tuple[Case, list[Failure]]]:
    judge = Judge(made, device)
    for case in sorted(cases(made), key=_late):
        if case.implementation != COMPILED or planted.about == COMPILED:
            yield case, symptoms(judge.judge(case))


def _late(case: Case) -> tuple[bool, bool]:
    few = case.restored or case.layout in ("parameter groups", "eight steps, sparse")
    return not few, case.dtype != torch.float32


@functools.cache
def _of_the_original(case: Case, device: torch.device) -> list[Failure]:
    return symptoms(_judge(case.optimizer, device).judge(case))


@functools.cache
def _judge(optimizer: str, device: torch.device) -> Judge:
    return Judge(entry(getattr(torch.optim, optimizer)), device)
