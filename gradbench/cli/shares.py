"""Shares that a person types, such as the margin of a verdict."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from gradbench.errors import BadRequest
from gradbench.statistics.verdicts import MARGIN

SAID_MARGIN = f"{MARGIN:.0%}"

MarginOption = Annotated[
    str,
    typer.Option(
        "--margin",
        metavar="SHARE",
        help="Smallest difference of two times that matters: within it they are the same.",
    ),
]


def parse_share(text: str, option: str) -> float:
    """Read a share such as ``5%`` or ``0.05``.

    Args:
        text: What was typed.
        option: Name of the option, for the message.

    Returns:
        The fraction.

    Raises:
        BadRequest: It is not a share from 0 to 10 (1000 %).
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(%?)", text.strip(), re.ASCII)
    share = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0 <= share <= 10:
        raise BadRequest(f"{option} {text}: give a share such as 5% or 0.05")
    return share
