"""What the callbacks of trainers share: a training is watched, and told of at its end."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from gradbench.diagnosis.api import Diagnosis, check_level, make_diagnosis
from gradbench.diagnosis.conclude import known_checks


class WatchedTraining:
    """Watches a training from begin to end, and tells what is found.

    Args:
        level: Raise at the end if there are findings: ``warning`` for errors and warnings,
            ``error`` for errors alone; None only prints them.
        only: Ids of the checks to look with; none means all.
        ignore: Ids of checks to leave out.

    Raises:
        BadRequest: There is no such level or check.
    """

    def __init__(
        self, level: str | None = None, only: Iterable[str] = (), ignore: Iterable[str] = ()
    ) -> None:
        if level is not None:
            check_level(level)
        self._level = level
        self._only, self._ignore = known_checks(only), known_checks(ignore)
        self._watching = False
        self.diagnosis: Diagnosis | None = None

    def begin(self, program: str, *watched: object) -> None:
        """Begin to watch; what was not ended, since it raised, is ended first.

        Args:
            program: What the report calls the training.
            *watched: Modules and optimizers; none means all that are there.

        Raises:
            BadRequest: Something else is watched already.
        """
        self.end()
        diagnosis = make_diagnosis(watched, program, only=self._only, ignore=self._ignore)
        diagnosis.__enter__()
        self.diagnosis, self._watching = diagnosis, True

    def end(self, error: BaseException | None = None, tell: bool = False) -> None:
        """End to watch, where it has begun.

        Args:
            error: What the training raised.
            tell: Print the report, and raise for findings if that was asked for and the training
                did not raise itself.

        Raises:
            FindingsError: There are findings at the level asked for.
        """
        diagnosis = self.diagnosis
        if diagnosis is None or not self._watching:
            return
        self._watching = False
        kind, traceback = (type(error), error.__traceback__) if error else (None, None)
        diagnosis.__exit__(kind, error, traceback)
        if not tell:
            return
        if self._level is not None and error is None:
            diagnosis.raise_for_findings(self._level)
        if diagnosis.report.alarming or error is None:
            print(diagnosis, file=sys.stderr)
