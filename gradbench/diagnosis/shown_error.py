"""What a program raised, shown as Python shows it: without the frames that are ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

_OURS = os.path.join(Path(__file__).parent, "")
_DISPATCH = ("handle_torch_function", os.path.join("torch", "overrides.py"))


def show_error(error: BaseException, excepthook: Callable[..., Any] = sys.__excepthook__) -> None:
    """Show an error on the standard error; afterwards it is as it was.

    Args:
        error: What was raised.
        excepthook: What shows it.
    """
    chained = list(_chained(error, set()))
    tracebacks = [each.__traceback__ for each in chained]
    try:
        for each in chained:
            each.__traceback__ = without_ours(each.__traceback__)
        try:
            excepthook(type(error), error, error.__traceback__)
        except Exception:  # the program's hook, which may do anything
            sys.__excepthook__(type(error), error, error.__traceback__)
    finally:
        for each, traceback in zip(chained, tracebacks, strict=True):
            each.__traceback__ = traceback
    sys.stderr.flush()


def without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """Leave out of a traceback what is there only because the program was watched.

    Args:
        traceback: A traceback.

    Returns:
        Another without the frames of gradbench's observation, and those of torch that hand a
        function over to it: the function itself follows behind.
    """
    entries: list[TracebackType] = []
    handed_over: CodeType | None = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename.startswith(_OURS):
            while entries and _dispatches(entries[-1].tb_frame.f_code):
                entries.pop()
                handed_over = entries[-1].tb_frame.f_code if entries else None
        else:
            if code is handed_over:
                entries.pop()
            handed_over = None
            entries.append(traceback)
        traceback = traceback.tb_next
    shown: TracebackType | None = None
    for entry in reversed(entries):
        shown = TracebackType(shown, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return shown


def _dispatches(code: CodeType) -> bool:
    return code.co_name == _DISPATCH[0] and code.co_filename.endswith(_DISPATCH[1])


def _chained(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """Yield an error and those that led to it or that it groups."""
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    group = getattr(error, "exceptions", ())
    for each in (error.__cause__, error.__context__, *(group if isinstance(group, tuple) else ())):
        if isinstance(each, BaseException):
            yield from _chained(each, seen)
