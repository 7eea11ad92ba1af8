"""What ``gradbench.diagnose`` is: a ``with`` block that is watched, and what is found of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from gradbench.errors import BadRequest

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn
    from torch.optim import Optimizer

    from gradbench.diagnosis.observe.observer import Observer
    from gradbench.diagnosis.tell.report import Report
    from gradbench.diagnosis.timeline import Timeline

LEVELS = ("error", "warning")
"""Severities that can be asked to raise."""


class FindingsError(AssertionError):
    """A watched block has findings; the text is the report."""


class Diagnosis:
    """A block that is watched, and afterwards what was found.

    ``with gradbench.diagnose(model, optimizer) as diagnosis:`` makes one. It prints as the report.

    Args:
        watched: Modules and optimizers that the block uses; those that are there are found, if
            none is given.
        program: What the report calls the block.
        steps: End the block after so many updates; None lets it run to its end.
        only: Ids of the checks to look with; none means all.
        ignore: Ids of checks to leave out.
    """

    def __init__(
        self,
        watched: tuple[nn.Module | Optimizer, ...],
        program: str = "",
        steps: int | None = None,
        only: tuple[str, ...] = (),
        ignore: tuple[str, ...] = (),
    ) -> None:
        self._watched = watched
        self._program = program
        self._steps = steps
        self._only = only
        self._ignore = ignore
        self._observer: Observer | None = None
        self._timeline: Timeline | None = None
        self._alone = ExitStack()

    def __enter__(self) -> Diagnosis:
        """Begin to watch.

        Raises:
            BadRequest: Something is watched already.
        """
        from gradbench.diagnosis.alone import alone
        from gradbench.diagnosis.observe.observer import Observer

        with ExitStack() as stack:
            stack.enter_context(alone())
            observer = Observer(steps=self._steps, program=self._program, existing=self._watched)
            observer.__enter__()
            self._alone = stack.pop_all()
        self.__dict__.pop("report", None)
        self._observer, self._timeline, self._watched = observer, None, ()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """End to watch.

        Returns:
            Whether the block was ended after the updates that were asked for; whatever else it
            raised passes through as it is.
        """
        from gradbench.diagnosis.observe.observer import EndOfObservation

        observer = self._observer
        if observer is None:
            return False
        try:
            observer.__exit__(kind, error, traceback)
            self._timeline = observer.timeline()
            # A hook that the block has left behind holds the recorder for as long as it is there.
            observer.recorder.events.clear()
        finally:
            self._observer = None
            self._alone.close()
        return isinstance(error, EndOfObservation)

    @property
    def timeline(self) -> Timeline:
        """What the block did.

        Raises:
            BadRequest: The block has not ended.
        """
        if self._timeline is None:
            raise BadRequest(
                "nothing is known before the block has ended: ask after "
                "`with gradbench.diagnose() as diagnosis:`"
            )
        return self._timeline

    @cached_property
    def report(self) -> Report:
        """What is told of the block.

        Raises:
            BadRequest: The block has not ended.
        """
        from gradbench.diagnosis.conclude import conclude

        return conclude(self.timeline, self._only, self._ignore)

    @property
    def findings(self) -> pd.DataFrame:
        """A row for each finding, the most urgent first; no rows where nothing was found.

        Raises:
            BadRequest: The block has not ended.
        """
        return self.report.to_dataframe()

    def raise_for_findings(self, level: str = "warning") -> None:
        """Raise if there is a finding.

        Args:
            level: ``warning`` raises for errors and warnings, ``error`` for errors alone.

        Raises:
            FindingsError: There is one; the text is the report.
            BadRequest: There is no such level, or the block has not ended.
        """
        check_level(level)
        if any(
            row.severity.value in LEVELS[: LEVELS.index(level) + 1] for row in self.report.findings
        ):
            raise FindingsError(f"\n{self}")

    def __str__(self) -> str:
        """Return what the screen shows."""
        if self._timeline is None:
            return repr(self)
        from gradbench.diagnosis.tell.written import screen_text

        return screen_text(self.report).rstrip("\n")

    def __repr__(self) -> str:
        """Return what the screen shows; before the block has ended, what it is."""
        if self._timeline is None:
            state = "not begun" if self._observer is None else "watching"
            return f"<diagnosis of {self._program or 'a block'}: {state}>"
        return str(self)

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows."""
        if self._timeline is None:
            return None
        from gradbench.diagnosis.tell.written import screen_html

        return screen_html(self.report)


def diagnose(
    *watched: nn.Module | Optimizer,
    steps: int | None = None,
    only: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> Diagnosis:
    """Watch a ``with`` block, and find out why a gradient is None, zero, stale or wrong in it.

    The block computes bitwise the same. What it raises passes through as it is.

    Args:
        *watched: Modules and optimizers that the block uses, if there are others around that it
            does not; none means all that are there. What the block makes is watched anyway.
        steps: End the block after so many updates; None lets it run to its end.
        only: Ids of the checks to look with, such as ``GB101``; none means all.
        ignore: Ids of checks to leave out.

    Returns:
        What stands in ``with``: afterwards it has ``findings`` (a DataFrame), ``report``,
        ``timeline`` and ``raise_for_findings()``, and prints as the report.

    Raises:
        BadRequest: There is no such check, ``steps`` is no whole number from 1, or ``watched`` is
            something else.
    """
    return make_diagnosis(
        watched, sys._getframe(1).f_code.co_filename, steps=steps, only=only, ignore=ignore
    )


def make_diagnosis(
    watched: tuple[object, ...],
    program: str,
    *,
    steps: int | None = None,
    only: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> Diagnosis:
    """Make a diagnosis of a block, after a look whether all that was asked for is there.

    Args:
        watched: Modules and optimizers.
        program: What the report calls the block.
        steps: End the block after so many updates.
        only: Ids of the checks to look with.
        ignore: Ids of checks to leave out.

    Returns:
        The diagnosis, not begun.

    Raises:
        BadRequest: As of `diagnose`.
    """
    # Imported here: `import gradbench` must not wait for torch.
    from torch import nn
    from torch.optim import Optimizer

    from gradbench.diagnosis.conclude import known_checks

    if isinstance(steps, bool) or not (steps is None or (isinstance(steps, int) and steps > 0)):
        raise BadRequest(f"steps={steps!r}: choose a whole number from 1, or None")
    found: list[nn.Module | Optimizer] = []
    for each in watched:
        if not isinstance(each, nn.Module | Optimizer):
            raise BadRequest(
                f"diagnose({type(each).__name__}): give modules and optimizers, or nothing"
            )
        found.append(each)
    return Diagnosis(
        tuple(found), program, steps, known_checks(_ids(only)), known_checks(_ids(ignore))
    )


def check_level(level: str) -> None:
    """Hold a level against those that there are.

    Args:
        level: What was asked for.

    Raises:
        BadRequest: It is none.
    """
    if level not in LEVELS:
        raise BadRequest(f"level {level!r}: choose from {', '.join(LEVELS)}")


def _ids(given: Iterable[str]) -> tuple[str, ...]:
    """Take one id for a list of one."""
    return (given,) if isinstance(given, str) else tuple(given)
