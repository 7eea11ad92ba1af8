"""How a command ends: its exit status, and what SIGINT and SIGTERM do."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

DONE, FAILED, BAD_REQUEST, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

Interruption = type[KeyboardInterrupt]


class Terminated(KeyboardInterrupt):
    """SIGTERM: what a scheduler sends before it takes the machine away."""


def exit_status(end: KeyboardInterrupt) -> int:
    """Return the exit status of a command that was interrupted: 130, or 143 by SIGTERM."""
    return TERMINATED if isinstance(end, Terminated) else INTERRUPTED


def _nothing(_: Interruption) -> None:
    return None


@contextmanager
def interruptible(tell: Callable[[Interruption], object] = _nothing) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM raise, and no second one end the tidying up or the exit.

    Args:
        tell: Told what is raised, before it is: C code that called Python may swallow it.

    Yields:
        Nothing; a signal raises ``KeyboardInterrupt`` or ``Terminated`` meanwhile.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def interrupt(number: int, _: object) -> NoReturn:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raised = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        tell(raised)
        raise raised

    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is interrupt:
                signal.signal(number, handler)
