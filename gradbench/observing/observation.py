"""What an experiment saw, and what that says of the claim it tested."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(str, Enum):
    """What an observation says of a claim.

    A claim that people make is ``confirmed`` or ``refuted``; behaviour that PyTorch documents is
    ``as_documented``, or else a ``defect``, as is anything silently wrong. A case that cannot run
    on this device or torch, or that the measurement leaves undecided, is ``skipped`` and its
    message says why. ``failed`` is no verdict on PyTorch: the case, or the experiment, broke.
    """

    confirmed = "confirmed"
    refuted = "refuted"
    as_documented = "as_documented"
    defect = "defect"
    skipped = "skipped"
    failed = "failed"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One case of an experiment; an experiment that sees more adds fields in a subclass.

    Args:
        case: Name of the case, unique within its experiment.
        expected: What should be seen if the claim or the documentation is right.
        outcome: What was seen.
        verdict: What that says.
        message: Text of the exception or warning, or the evidence in numbers; None without one.
        version_delta: Change of the parameter's version counter; None where it has no meaning.
        source: Who makes the claim: a page, an issue, a paper.
        dtype: Floating type of the parameters.
    """

    case: str
    expected: str
    outcome: str
    verdict: Verdict
    message: str | None = None
    version_delta: int | None = None
    source: str = ""
    dtype: str = "float32"


def first_line(error: Exception) -> str:
    """Put an exception into one line.

    Args:
        error: What was raised.

    Returns:
        Its type and the first line of its text.
    """
    return f"{type(error).__name__}: {error}".splitlines()[0]
