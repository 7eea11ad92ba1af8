"""Lists of parameters by name: shapes, positions, missing gradients, mixed types."""

from __future__ import annotations

import torch

from gradbench.parity.cases import STEPS, Member
from gradbench.parity.position import POSITIONS, place

MATRICES = ((1, 7), (10, 10), (33, 31))
VECTORS = ((1,), (7,), (100,), (1023,))
"""Sizes that straddle the widths of vector registers."""
IMAGES = ((2, 3, 4, 5),)
MIXED = "mixed types"

_ALWAYS, _NEVER = (True,) * STEPS, (False,) * STEPS


def layouts(dtype: torch.dtype) -> dict[str, tuple[Member, ...]]:
    """List the layouts to try, simplest first.

    Args:
        dtype: Type of the parameters; a complex one adds conjugated gradients.

    Returns:
        The members of each list, by name.
    """
    found = {"matrices": _list(*MATRICES), "vectors": _list(*VECTORS), "scalars": _list((), ())}
    found["empty"] = _list((0, 3), (2, 2))
    found["many"] = tuple(Member((2, 3), seed) for seed in range(24))
    found["parameter groups"] = tuple(Member((3, 4), group, group=group) for group in range(2))
    for name, present in {
        "no gradient": _NEVER,
        "gradient from the second step": (False, *_ALWAYS[1:]),
        "gradient only at the first step": (True, *_NEVER[1:]),
    }.items():
        found[name] = (Member((3, 4)), Member((2, 9), 5, present=present), Member((2, 3), 7))
    # What an infinity in one part of a complex number does to the other is not agreed upon.
    for kind in ("small", "zero", *(() if dtype.is_complex else ("nonfinite",))):
        found[f"{kind} gradients"] = _list(*MATRICES[:2], values=kind)
    shapes = (*MATRICES[:2], *VECTORS[1:3], *IMAGES)
    for position in POSITIONS[1:]:
        here = tuple(shape for shape in shapes if place(shape, position))
        flat = tuple(shape for shape in here if len(shape) == 2) or here
        for which in ("parameter", "gradient", "both"):
            sides = ("parameter", "gradient") if which == "both" else (which,)
            label = position if which == "both" else f"{position} {which}"
            found[label] = _list(*flat, **dict.fromkeys(sides, position))
            if len(here) > len(flat):
                rest = tuple(shape for shape in here if shape not in flat)
                found[f"{label}, other shapes"] = _list(*rest, **dict.fromkeys(sides, position))
    found["sparse gradient"] = _list((10, 10), gradient="sparse")
    found["sparse gradient, misaligned parameter"] = _list(
        (10, 10), gradient="sparse", parameter="misaligned"
    )
    if dtype.is_complex:
        found["conjugated gradients"] = _list((1, 7), (10, 10), gradient="conjugated")
        return found
    found[MIXED] = tuple(
        Member((2, 5), seed, dtype=other, values=values)
        for values in ("ordinary", "small")
        for seed, other in enumerate((torch.bfloat16, None, torch.float64))
    )
    found["real and complex"] = (Member((2, 5)), Member((2, 5), 3, dtype=torch.complex64))
    return found


def large() -> dict[str, tuple[Member, ...]]:
    """List the layouts that cross a kernel's chunks or threads; one type is enough for them."""
    return {"large": (Member((3, 70001)), Member((2, 3), 4))}


def _list(*shapes: tuple[int, ...], **of_each: str) -> tuple[Member, ...]:
    return tuple(Member(shape, seed, **of_each) for seed, shape in enumerate(shapes))  # type: ignore[arg-type]
