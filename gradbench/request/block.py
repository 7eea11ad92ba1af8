"""Blocks and cells: what is measured together, and what it is called."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from gradbench.request.versions import Versions

Role = Literal["candidate", "baseline", "twin", "bandwidth"]


@dataclass(frozen=True)
class Cell:
    """One strategy with one zeroing inside a block, or a control.

    Args:
        strategy: Name of the strategy; empty for the bandwidth control.
        zeroing: Name of the zeroing; empty for the bandwidth control.
        role: What it is for.
    """

    strategy: str
    zeroing: str
    role: Role = "candidate"

    @property
    def name(self) -> str:
        """Unique within the block, such as ``foreach/set_to_none`` or ``twin``."""
        controls = self.role in ("twin", "bandwidth")
        return self.role if controls else f"{self.strategy}/{self.zeroing}"


@dataclass(frozen=True)
class Block:
    """Everything that is measured together: one model, device, dtype, threads and rule.

    Args:
        run: Name of the run.
        host: Name of the machine.
        model: Name of the model.
        device: Name of the device.
        dtype: Name of the floating type.
        threads: Threads of CPU operators; None is PyTorch's own choice.
        rule: Name of the rule.
        seed: Seed of everything random.
        cells: Baseline, candidates, twin and bandwidth control, in this order.
        asked: Names of the strategies asked for; the baseline's is there only if it was.
        options: Resolved nodes ``model``, ``rule``, ``strategy``, ``zeroing``, ``device`` and
            ``measurement``; the strategies include the baseline's.
        versions: What it is measured with.
        changed: Overrides by which the options differ from those in their files.
    """

    run: str
    host: str
    model: str
    device: str
    dtype: str
    threads: int | None
    rule: str
    seed: int
    cells: tuple[Cell, ...]
    asked: tuple[str, ...]
    options: dict[str, Any]
    versions: Versions
    changed: str = ""

    @cached_property  # thousands of rows ask for it
    def name(self) -> str:
        """File-system name: readable parts, then a digest of all that would change the figures."""
        resolved = [self.threads, self.seed, [cell.name for cell in self.cells], self.options]
        parts = (self.host, self.device, self.model, self.rule, self.dtype)
        return file_name((*parts, *self.versions.parts), resolved)

    @property
    def default_zeroing(self) -> str:
        """The baseline's zeroing, with which every strategy is measured in a star."""
        return self.cells[0].zeroing


def host_name() -> str:
    """Return the name of this machine, as rows and files carry it."""
    return socket.gethostname() or "localhost"


def file_name(parts: Sequence[str], resolved: object) -> str:
    """Name a file by readable parts and a digest of everything that would change its content.

    Args:
        parts: What a person looks for.
        resolved: What decides the content; JSON can write it.

    Returns:
        The parts, safe for any file system, and eight hexadecimal digits, joined by hyphens.
    """
    digest = hashlib.sha256(json.dumps(resolved, sort_keys=True).encode()).hexdigest()[:8]
    return "-".join(map(safe, (*parts, digest)))


def safe(part: str) -> str:
    """Replace what some file system does not like, and hyphens, which stand between parts."""
    return re.sub(r"[^\w.]+", "_", part)
