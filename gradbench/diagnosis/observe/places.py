"""Where in the user's program something happens: frames of torch and of gradbench are skipped."""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
from functools import cache, lru_cache
from pathlib import Path
from types import CodeType, FrameType

import torch

from gradbench.diagnosis.finding import Place

USER, TORCH, LIBRARY, OURS = range(4)

_TORCH = f"{Path(torch.__file__).parent}{os.sep}"
_OURS = f"{Path(__file__).parents[2]}{os.sep}"
_LIBRARIES = tuple(
    {
        sysconfig.get_path(name)
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
        if sysconfig.get_path(name)
    }
)

Line = tuple[CodeType, int]
"""A line of code: cheap to keep, made a `Place` when the observation ends."""

_DEEPEST = 9
"""Frames between the switch of the gradient mode and the decorator that asks for it."""

CALLERS = 8
"""The user's lines kept with an event besides the innermost."""


class Places:
    """Finds the user's lines in the stack.

    Args:
        program: Folder whose files are the user's, wherever it lies, such as an installed package
            that is run with ``-m``.
    """

    def __init__(self, program: str = "") -> None:
        self._program = program
        self._kinds: dict[str, int] = {}

    def kind(self, file: str) -> int:
        """Say whose file it is: the user's, torch's, another library's, or ours."""
        found = self._kinds.get(file)
        if found is None:
            found = self._kinds[file] = self._judge(file)
        return found

    def _judge(self, file: str) -> int:
        if file.startswith(_TORCH):
            return TORCH
        if file.startswith(_OURS) and not file.startswith(f"{_OURS}experiments{os.sep}"):
            return OURS
        if self._program and file.startswith(self._program):
            return USER
        if file.startswith("<") and not file.startswith(("<ipython", "<stdin", "<string")):
            return LIBRARY
        return LIBRARY if file.startswith(_LIBRARIES) else USER

    def here(self) -> tuple[Line | None, str]:
        """Return the user's innermost line, and PyTorch's function that it called.

        Where no line of the user's is running, the innermost of a library is returned.
        """
        frame: FrameType | None = sys._getframe(1)
        api: CodeType | None = None
        library: Line | None = None
        while frame is not None:
            code = frame.f_code
            kind = self.kind(code.co_filename)
            if kind == USER:
                return (code, frame.f_lineno), _api(api) if api else ""
            if kind == TORCH:
                if library is None:
                    api = code
            elif kind == LIBRARY and library is None:
                library = (code, frame.f_lineno)
            frame = frame.f_back
        return library, _api(api) if api else ""

    def lines(self, frame: FrameType | None = None) -> tuple[Line, ...]:
        """Return the user's lines in the stack, innermost first."""
        frame = frame or sys._getframe(1)
        found: list[Line] = []
        while frame is not None and len(found) <= CALLERS:
            if self.kind(frame.f_code.co_filename) == USER:
                found.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
        return tuple(found)

    def frames(self) -> list[FrameType]:
        """Return the user's frames in the stack, innermost first."""
        frame: FrameType | None = sys._getframe(1)
        found = []
        while frame is not None:
            if self.kind(frame.f_code.co_filename) == USER:
                found.append(frame)
            frame = frame.f_back
        return found


def place_of(line: Line | None) -> Place | None:
    """Make a place of a line."""
    if line is None:
        return None
    code, number = line
    return Place(code.co_filename, number, code.co_name)


def running(name: str, file: str) -> bool:
    """Say whether a function of torch is running, such as ``_call_impl`` of ``nn/modules``."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        path = code.co_filename
        if code.co_name == name and path.startswith(_TORCH) and path.endswith(file):
            return True
        frame = frame.f_back
    return False


def decorated_line() -> tuple[str, int, str] | None:
    """Return file, line and name of the function whose decorator sets the gradient mode.

    The line is that of the first decorator. None where no decorator of torch's is running.
    """
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_DEEPEST):
        if frame is None:
            return None
        if frame.f_code.co_name == "decorate_context":
            if not frame.f_code.co_filename.endswith("_contextlib.py"):
                return None
            function = frame.f_locals.get("func")
            code = getattr(function, "__code__", None)
            return (code.co_filename, code.co_firstlineno, code.co_name) if code else None
        frame = frame.f_back
    return None


@cache
def _api(code: CodeType) -> str:
    """Name a function of torch: ``torch.nn.utils.clip_grad.clip_grad_norm_``."""
    path = code.co_filename[len(_TORCH) :].removesuffix(".py").removesuffix("/__init__")
    return f"torch.{path.replace('/', '.')}.{code.co_name}"


@lru_cache(maxsize=4096)
def use_of_value(code: CodeType, last: int) -> str:
    """Say what the user's code does next with the value it has just read.

    Args:
        code: The code that is running.
        last: Offset of the instruction that read the value.

    Returns:
        ``tested`` (compared with None, or for truth), ``stored`` (in a variable or a list), or
        ``used``.
    """
    after = [each for each in dis.get_instructions(code) if each.offset > last]
    if not after:
        return "used"
    first = after[0].opname
    if "JUMP" in first or first in ("TO_BOOL", "UNARY_NOT"):
        return "tested"
    if first == "LOAD_CONST" and after[0].argval is None and after[1].opname in ("IS_OP",):
        return "tested"
    if first.startswith("STORE_") or first in ("LIST_APPEND", "SET_ADD", "MAP_ADD", "UNPACK_EX"):
        return "stored"
    return "discarded" if first == "POP_TOP" else "used"
