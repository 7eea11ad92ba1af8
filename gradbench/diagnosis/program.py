"""A person's program, run under observation as if it were run by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradbench.diagnosis.alone import alone
from gradbench.diagnosis.main_module import NoProgram, as_main, find_module, find_script
from gradbench.diagnosis.observe.observer import EndOfObservation, Observer
from gradbench.diagnosis.tell.words import counted
from gradbench.diagnosis.timeline import Timeline


@dataclass(frozen=True)
class Outcome:
    """What became of a program.

    Args:
        timeline: What it did.
        error: What it raised; None where it ran to its end or was ended.
        status: The exit status it asked for.
        said: What it gave ``sys.exit`` to be said.
        excepthook: What it had set to show what it raises.
        ended_early: Whether it was ended after the updates that were asked for.
    """

    timeline: Timeline
    error: BaseException | None = None
    status: int = 0
    said: str = ""
    excepthook: Callable[..., Any] = sys.__excepthook__
    ended_early: bool = False


def run_program(
    program: str, arguments: Sequence[str] = (), *, module: bool = False, steps: int | None = None
) -> Outcome:
    """Run a script or module as ``__main__``, and watch it.

    Args:
        program: Path of a script, or with ``module`` the name of a module or package.
        arguments: What the program finds in ``sys.argv`` after its own name.
        module: Whether ``program`` names a module, as with ``python -m``.
        steps: End it after so many updates; None lets it run to its end.

    Returns:
        What it did and raised.

    Raises:
        BadRequest: There is no such script or module, or something is watched already.
    """
    main = find_module(program) if module else find_script(program)
    observer = Observer(steps=steps, program=main.program, package=main.files)
    with alone(), as_main(main, arguments):
        error = _watch(observer, main.run)
        hook = sys.excepthook
        # Made while the program's objects still exist: the timeline says which of them do.
        timeline = observer.timeline()
    if isinstance(error, NoProgram):
        raise error
    status, said, early = 0, "", isinstance(error, EndOfObservation)
    if early:
        error = None
    elif isinstance(error, SystemExit):
        status, said = _exit(error.code)
        error = None
    elif error is not None:
        name = "interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__
        ended = f"ended by {name}" if name != "interrupted" else name
        timeline = replace(timeline, ended=f"{ended} after {counted(timeline.steps, 'updates')}")
    return Outcome(timeline, error, status, said, hook, early)


def _watch(observer: Observer, run: Callable[[], None]) -> BaseException | None:
    """Run a program, and return what it raised."""
    try:
        with observer:
            run()
    except BaseException as error:
        return error
    return None


def _exit(code: object) -> tuple[int, str]:
    """Return what ``sys.exit`` does with what it was given: a status, and what is said."""
    if code is None:
        return 0, ""
    return (code, "") if isinstance(code, int) else (1, str(code))
