"""Vega in processes of their own, beside the rest: it holds Python's lock for seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_PROCESSES = 2
_PNG_SCALE = 1.5
_LARGEST_PNG = 24e6
"""Pixels; beyond, a PNG is drawn at a smaller scale."""


@dataclass(frozen=True)
class Rendering:
    """A process that draws.

    Args:
        process: The process.
        errors: File that takes what it says on stderr.
    """

    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    @classmethod
    def start(cls, task: str, folder: Path, given: Sequence[tuple[str, Any]] = ()) -> Rendering:
        """Start a process.

        Args:
            task: ``bundle`` or ``figures``.
            folder: Where it writes.
            given: Names and specifications of figures.

        Returns:
            The running process.
        """
        errors = tempfile.TemporaryFile()  # noqa: SIM115, closed by finish
        # -m finds the package as this process did; PYTHONPATH alone might not say where.
        package = str(Path(__file__).resolve().parents[2])
        paths = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        # A file: what does not fit into a pipe would wait until the process reads.
        with tempfile.TemporaryFile() as asked:
            for name, specification in given:
                asked.write(json.dumps([name, specification]).encode() + b"\n")
            asked.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, task, str(folder)],
                stdin=asked,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": paths},
            )
        return cls(process, errors)

    def finish(self) -> None:
        """Wait for the process.

        Raises:
            RuntimeError: It failed; the message is the last line it said.
        """
        status = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        self.errors.close()
        if status:
            raise RuntimeError(f"drawing failed: {said[-1] if said else f'exit status {status}'}")

    def stop(self) -> None:
        """End the process, if it still runs."""
        self.process.kill()
        self.process.wait()
        self.errors.close()


def start_figures(figures: Sequence[tuple[str, Any]], folder: Path) -> list[Rendering]:
    """Start drawing figures as SVG and PNG, divided among processes.

    Args:
        figures: Name and specification of each.
        folder: Where the files go.

    Returns:
        The running processes.
    """
    parts = [figures[first::_PROCESSES] for first in range(_PROCESSES)]
    return [Rendering.start("figures", folder, part) for part in parts if part]


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def _main(task: str, folder: Path) -> None:
    import vl_convert

    if task == "bundle":
        _write(
            folder / "vega.js",
            vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode(),
        )
        return
    for line in sys.stdin:
        name, specification = json.loads(line)
        svg = vl_convert.vegalite_to_svg(specification)
        _write(folder / f"{name}.svg", svg.encode())
        pixels = _size(svg) * _PNG_SCALE**2
        scale = _PNG_SCALE * min(1.0, (_LARGEST_PNG / max(pixels, 1)) ** 0.5)
        _write(folder / f"{name}.png", vl_convert.svg_to_png(svg, scale=scale))


def _size(svg: str) -> float:
    """Read the area of an SVG from its first tag, in pixels."""
    import re

    sides = re.findall(r'\b(?:width|height)="([\d.]+)"', svg[:500])[:2]
    return float(sides[0]) * float(sides[1]) if len(sides) == 2 else 0.0


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
