"""How long blocks will take, from what blocks took on this host."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from gradbench.request.block import safe
from gradbench.results.files import UnreadableFile, read_file
from gradbench.results.schema import CELL

_MOST_FILES = 100
"""Blocks, the last ones, that an estimate rests on: reading one takes milliseconds."""

_COLUMNS = ("host", "model", "rule", "device", "status", "block_s", "budget_s")


@dataclass(frozen=True)
class Took:
    """A block: what it is of, and how long it took, or may take.

    Args:
        model: Name of the model.
        rule: Name of the rule.
        device: Name of the device.
        cells: Cells that it has.
        budget_s: Seconds of sampling that it might use.
        block_s: Seconds that it took; None where that is asked.
        skipped: Nothing of it could run.
    """

    model: str
    rule: str
    device: str
    cells: int
    budget_s: float
    block_s: float | None = None
    skipped: bool = False


def asked_block(config: DictConfig) -> Took | None:
    """Take from a job's configuration what its duration depends on.

    Args:
        config: Of type :class:`gradbench.request.schema.Config`.

    Returns:
        The block; None where the configuration is not complete, which its own turn will say.
    """
    try:
        return _asked(config)
    except OmegaConfBaseException:
        return None


def _asked(config: DictConfig) -> Took:
    zeroings = max(len(config.zeroing), 1)
    controls = 3  # the baseline, its twin and the bandwidth control
    return Took(
        str(config.model.name),
        str(config.rule.name),
        str(config.device.name),
        len(config.strategy) * zeroings + controls,
        float(config.measurement.budget_s),
    )


def earlier_blocks(output: Path, host: str) -> list[Took]:
    """Read how long the last blocks took on a host.

    Args:
        output: Folder of all runs.
        host: Name of the host.

    Returns:
        The blocks that say so, the last first; none where there is nothing to read.
    """
    try:
        files = {file: file.stat().st_mtime for file in output.glob(f"*/{CELL}/{safe(host)}-*")}
    except OSError:
        return []
    found = []
    for file in sorted(files, key=files.__getitem__, reverse=True)[:_MOST_FILES]:
        try:
            rows = read_file(file, CELL).select(list(_COLUMNS)).to_pylist()
        except (UnreadableFile, OSError):
            continue
        first = rows[0]
        if first["host"] == host and first["block_s"] is not None:
            found.append(
                Took(
                    str(first["model"]),
                    str(first["rule"]),
                    str(first["device"]),
                    len(rows),
                    float(first["budget_s"]),
                    float(first["block_s"]),
                    all(row["status"] == "skipped" for row in rows),
                )
            )
    return found


def expected_seconds(asked: Took, earlier: Sequence[Took]) -> float | None:
    """Guess how long a block will take.

    Beyond its budget it takes what is in proportion to its cells (building, verification, training
    anew for each). That share is the median over earlier blocks: of its model, rule and device, or
    else of its model and device, or else of its device. What was skipped whole is taken to be
    skipped again.

    Args:
        asked: The block.
        earlier: Blocks that were measured on the same host.

    Returns:
        Seconds; None where no block was measured on such a device.
    """
    for names in (("model", "rule", "device"), ("model", "device"), ("device",)):
        alike = [
            took for took in earlier if all(getattr(took, n) == getattr(asked, n) for n in names)
        ]
        measured = [took for took in alike if not took.skipped]
        if measured:
            beyond = [((t.block_s or 0.0) - t.budget_s) / t.cells for t in measured]
            least_s = min(t.block_s or 0.0 for t in measured)
            return max(asked.budget_s + statistics.median(beyond) * asked.cells, least_s)
        if alike:
            return statistics.median(took.block_s or 0.0 for took in alike)
    return None


def how_long(asked: Iterable[Took], blocks: int, earlier: Sequence[Took]) -> str:
    """Say how long a command will take.

    Args:
        asked: Some of its blocks, one at least: the others are taken to be like them.
        blocks: Number of all that are to be measured.
        earlier: Blocks that were measured on the same host.

    Returns:
        A sentence.
    """
    wanted = list(asked)
    scale = blocks / len(wanted)
    budget_s = scale * sum(took.budget_s for took in wanted)
    guesses = [expected_seconds(took, earlier) for took in wanted]
    known = [guess for guess in guesses if guess is not None]
    if not known:
        return (
            f"about {duration(budget_s)} of sampling, and set-up, verification and compiling "
            "beside it, of which no block here tells how long they take"
        )
    rest_s = sum(took.budget_s for took, guess in zip(wanted, guesses, strict=True) if not guess)
    whole_s = scale * (sum(known) + rest_s)
    return f"about {duration(whole_s)}, by what blocks took here before"


def duration(seconds: float) -> str:
    """Write a duration to the second, such as ``0:01:20``."""
    return str(timedelta(seconds=max(round(seconds), 1)))
