"""A checksum inside the file that it covers: every bit of a parquet file but its own digits."""

from __future__ import annotations

import hashlib
import re

KEY = "gradbench.checksum"
BLANK = "sha256:" + 64 * "0"
"""What stands under ``KEY`` in the file's metadata until the file is sealed."""

_DIGITS = re.compile(rb"gradbench\.checksum.{1,8}?sha256:([0-9a-f]{64})", re.DOTALL)


def seal(content: bytes) -> bytes:
    """Write a file's checksum into its metadata.

    SHA-256 of all bytes, taken with 64 zeros for its own digits: rows, schema and metadata are
    covered alike, and a file is checked without decoding a row (0.1 s for 10 million samples).

    Args:
        content: A parquet file with ``BLANK`` under ``KEY`` in its metadata.

    Returns:
        The same file with the checksum in place.

    Raises:
        ValueError: There is no place for a checksum.
    """
    place = _place(content)
    if place is None:
        raise ValueError(f"no {KEY} in the file's metadata")
    return content[: place[0]] + _digest(content, place).encode() + content[place[1] :]


def checksum(content: bytes) -> str | None:
    """Read the checksum that a file carries.

    Args:
        content: The file.

    Returns:
        64 hexadecimal digits; None if it carries none.
    """
    place = _place(content)
    return None if place is None else content[slice(*place)].decode()


def computed(content: bytes) -> str | None:
    """Compute the checksum that a file should carry.

    Args:
        content: The file.

    Returns:
        64 hexadecimal digits; None if it has no place for them.
    """
    place = _place(content)
    return None if place is None else _digest(content, place)


def _place(content: bytes) -> tuple[int, int] | None:
    """Find the checksum's digits, in the footer only: the rows may hold anything."""
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    found = _DIGITS.search(content, max(footer, 0))
    return found.span(1) if found else None


def _digest(content: bytes, place: tuple[int, int]) -> str:
    view = memoryview(content)
    digest = hashlib.sha256(view[: place[0]])
    digest.update(64 * b"0")
    digest.update(view[place[1] :])
    return digest.hexdigest()
