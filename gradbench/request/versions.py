"""The versions that a result is of: what is measured with another is another result."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gradbench.version import __version__

_IN_A_NAME = re.compile(r"-torch[^-]+-gradbench[^-]+(?=-[0-9a-f]{8}$)")


@dataclass(frozen=True)
class Versions:
    """Versions of what measures.

    Args:
        torch: Of PyTorch, as it calls itself.
        gradbench: Of gradbench; all checkouts of a version are one.
    """

    torch: str
    gradbench: str

    @property
    def parts(self) -> tuple[str, str]:
        """The parts of a file's name that say so; the digest follows them."""
        return f"torch{self.torch}", f"gradbench{self.gradbench}"

    def since(self, before: Versions) -> str:
        """Say what has changed.

        Args:
            before: The versions that went before.

        Returns:
            Such as ``torch 2.12.0 → 2.13.0``.
        """
        changed = [
            f"{name} {old} → {new}"
            for name, old in vars(before).items()
            if old != (new := getattr(self, name))
        ]
        # Names of files did not always hold the versions.
        return ", ".join(changed) or "what is there is of an older gradbench"


def versions_here() -> Versions:
    """Return the versions that a worker of this process has."""
    return Versions(_torch_version(), __version__)


def without_versions(name: str) -> str:
    """Take the versions out of a file's name.

    Args:
        name: Of a block, or experiment, without suffix.

    Returns:
        What all results of one request share; a name without versions as it is.
    """
    return _IN_A_NAME.sub("", name)


@lru_cache(maxsize=1)
def _torch_version() -> str:
    """Read PyTorch's version without importing it, which takes seconds.

    From its own file: a package's metadata spells some local versions otherwise, such as
    ``nv25.01`` as ``nv25.1``.
    """
    found = importlib.util.find_spec("torch")
    file = Path(found.origin).with_name("version.py") if found and found.origin else None
    if file is not None and file.is_file():
        text = file.read_text(encoding="utf-8")
        told = re.search(r"^__version__\s*(?::\s*str\s*)?=\s*['\"]([^'\"]+)", text, re.MULTILINE)
        if told:
            return told[1]
    return importlib.metadata.version("torch")
