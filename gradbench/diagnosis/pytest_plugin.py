"""The fixture ``gradbench_diagnose``: a test fails where what it watches has findings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from gradbench.diagnosis.api import Diagnosis


class Diagnose(Protocol):
    """What the fixture is."""

    def __call__(
        self,
        *watched: nn.Module | Optimizer,
        level: str = "warning",
        only: Iterable[str] = (),
        ignore: Iterable[str] = (),
        steps: int | None = None,
    ) -> AbstractContextManager[Diagnosis]:
        """Watch a block.

        Args:
            *watched: Modules and optimizers that it uses; none means all that are there.
            level: ``warning`` fails the test for errors and warnings, ``error`` for errors alone.
            only: Ids of the checks to look with; none means all.
            ignore: Ids of checks to leave out.
            steps: End the block after so many updates.

        Returns:
            What stands in ``with``.
        """
        ...


@pytest.fixture
def gradbench_diagnose() -> Diagnose:
    """Watch a block of a test, which fails with the report where there is a finding.

    ``with gradbench_diagnose(model, optimizer): train()``. What the block raises passes through,
    and the report is among the captured output.
    """
    return _watched


@contextmanager
def _watched(
    *watched: nn.Module | Optimizer,
    level: str = "warning",
    only: Iterable[str] = (),
    ignore: Iterable[str] = (),
    steps: int | None = None,
) -> Iterator[Diagnosis]:
    # Imported here: whoever does not ask for the fixture must not wait for torch.
    from gradbench.diagnosis.api import FindingsError, check_level, make_diagnosis

    check_level(level)
    # Past contextlib, which calls this.
    program = sys._getframe(2).f_code.co_filename
    diagnosis = make_diagnosis(watched, program, only=only, ignore=ignore, steps=steps)
    try:
        with diagnosis:
            yield diagnosis
    except Exception:
        print(diagnosis)
        raise
    try:
        diagnosis.raise_for_findings(level)
    except FindingsError as error:
        pytest.fail(str(error), pytrace=False)
