"""What kind of operator made NaN or infinity."""

from __future__ import annotations

from enum import Enum

from gradbench.diagnosis.births import NotFinite


class Singularity(str, Enum):
    """Where a derivative is not finite."""

    masked = "masked"
    root = "root"
    log = "log"
    division = "division"
    inverse = "inverse"
    softmax = "softmax"
    mean = "mean"
    other = "other"


_BY_NODE = {
    **dict.fromkeys(("Sqrt", "Rsqrt", "Pow", "Norm", "LinalgVectorNorm", "Cdist"), "root"),
    **dict.fromkeys(("Log", "Log2", "Log10", "Log1P", "Logsumexp", "Xlogy"), "log"),
    **dict.fromkeys(
        ("Div", "Truediv", "TrueDivide", "Reciprocal", "Remainder", "Fmod"), "division"
    ),
    **dict.fromkeys(
        ("Acos", "Asin", "Atanh", "Acosh", "Erfinv", "Logit", "Atan2", "Tan"), "inverse"
    ),
    **dict.fromkeys(("Softmax", "LogSoftmax", "SafeSoftmax"), "softmax"),
    **dict.fromkeys(
        ("NllLoss", "CrossEntropy", "NllLoss2D", "Mean", "Std", "Var", "StdMean", "VarMean"), "mean"
    ),
}  # fmt: skip

_ATTENTION = ("ScaledDotProduct",)


def singularity(born: NotFinite) -> Singularity:
    """Say of what kind a birth is.

    Args:
        born: A birth of NaN or infinity.

    Returns:
        Its kind; ``masked`` where the elements concerned are left out afterwards.
    """
    if born.masked and born.name not in ("where",):
        return Singularity.masked if _masks(born) else _kind(born)
    return _kind(born)


def _masks(born: NotFinite) -> bool:
    """A root of a sum that is zero gets a zero as well, and nothing is left out."""
    return born.into_where is not None or _kind(born) is not Singularity.root


def _kind(born: NotFinite) -> Singularity:
    if born.node.startswith(_ATTENTION):
        return Singularity.softmax
    by_name = "".join(part.capitalize() for part in born.name.strip("_").split("_"))
    return Singularity(_BY_NODE.get(born.node, _BY_NODE.get(by_name, "other")))
