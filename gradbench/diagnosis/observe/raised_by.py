"""Who raised an error: PyTorch, Python, or a statement of the program's."""

from __future__ import annotations

import dis

from gradbench.diagnosis.observe.places import OURS, TORCH, Places

_RAISE = dis.opmap["RAISE_VARARGS"]


def raised_by(error: BaseException, places: Places) -> str:
    """Say who raised an error.

    Args:
        error: The error, with its traceback.
        places: Knows whose file is whose.

    Returns:
        ``torch``, ``python`` (such as for an attribute of None), or ``program`` (a ``raise``).
    """
    traceback = error.__traceback__
    if traceback is None:
        return "python"
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    # PyTorch's own operators have no frame: the innermost is the mode's that called one.
    if places.kind(code.co_filename) in (TORCH, OURS):
        return "torch"
    return "program" if code.co_code[traceback.tb_lasti] == _RAISE else "python"
