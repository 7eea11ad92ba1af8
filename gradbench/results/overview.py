"""What runs there are below some paths: how far each came, where and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradbench.request.block import safe
from gradbench.request.versions import Versions, without_versions
from gradbench.results.files import (
    LeftOut,
    UnreadableFile,
    check_file,
    find_files,
    read_file,
    run_folder,
)
from gradbench.results.schema import CELL, OBSERVATION, RUN, TABLES
from gradbench.results.status import TIMED

_WHY = {"running": "running or killed", "interrupted": "interrupted", "failed": "failed"}


@dataclass(frozen=True)
class RunOverview:
    """One run.

    Args:
        folder: Its folder.
        state: ``complete``, ``complete, N cells failed`` or ``incomplete`` with the reason.
        blocks: Blocks that have finished, each counted once whatever the versions.
        asked: Blocks asked for; None where the run keeps no record of it.
        experiments: Experiments that have finished, once for each device.
        experiments_asked: Experiments asked for; None where the run keeps no record of it.
        cells: Cells by status, controls left out.
        rows: Rows by table.
        started_at: When its first command began, ISO 8601, UTC; None where nothing says so.
        wall_s: Duration of its commands together, in seconds; None where unknown.
        devices: Devices that its cells were measured on.
        hosts: Machines.
        torch_versions: Versions of PyTorch.
        gradbench_versions: Versions of gradbench.
    """

    folder: Path
    state: str
    blocks: int
    asked: int | None
    experiments: int
    experiments_asked: int | None
    cells: Mapping[str, int]
    rows: Mapping[str, int]
    started_at: str | None
    wall_s: float | None
    devices: Sequence[str]
    hosts: Sequence[str]
    torch_versions: Sequence[str]
    gradbench_versions: Sequence[str]


@dataclass
class _Found:
    """What the files of one run say, before it is summed up."""

    commands: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    blocks: dict[str, set[str]] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    damaged: int = 0


def overview(paths: Iterable[str | Path]) -> tuple[list[RunOverview], list[LeftOut]]:
    """Sum up the runs below paths.

    Args:
        paths: Folders of results.

    Returns:
        The runs in the order in which they were started, and the files that cannot be read.

    Raises:
        FileNotFoundError: There is no such path.
    """
    roots, found, left_out = list(paths), dict[Path, _Found](), list[LeftOut]()
    for table in TABLES:
        for file in find_files(roots, table):
            place = file.absolute().parent.name
            if place != table and place in TABLES:  # a file that was given is found for each table
                continue
            run = found.setdefault(run_folder(file), _Found())
            try:
                _add(run, table, file)
            except UnreadableFile as error:
                run.damaged += 1
                left_out.append(LeftOut(file, str(error)))
    runs = [_sum_up(folder, run) for folder, run in found.items()]
    return sorted(runs, key=lambda run: (run.started_at or "", str(run.folder))), left_out


def _add(run: _Found, table: str, file: Path) -> None:
    if table in (CELL, RUN):
        content = read_file(file, table)
        if table == CELL:
            columns = ["role", "status", "device", "device_name", "host"]
            columns += ["torch_version", "gradbench_version", "recorded_at"]
            run.cells += content.select(columns).to_pylist()
        else:
            run.commands += content.drop_columns(["configuration"]).to_pylist()
        rows = content.num_rows
    else:
        rows = check_file(file, table).rows
    run.rows[table] += rows
    run.blocks.setdefault(table, set()).add(file.stem)


def _sum_up(folder: Path, run: _Found) -> RunOverview:
    commands = sorted(run.commands, key=lambda row: str(row["started_at"]))
    finished = run.blocks.get(CELL, set())
    asked = [cell for cell in run.cells if cell["role"] in ("baseline", "candidate")]
    statuses = Counter(str(cell["status"]) for cell in asked)
    recorded = sorted(str(cell["recorded_at"]) for cell in run.cells if cell["recorded_at"])
    started = [str(row["started_at"]) for row in commands] + recorded
    return RunOverview(
        folder=folder,
        state=_state(run, commands, statuses),
        blocks=len(set(map(without_versions, finished))),
        asked=_most(commands, "blocks"),
        experiments=len(set(map(without_versions, run.blocks.get(OBSERVATION, set())))),
        experiments_asked=_most(commands, "experiments"),
        cells=statuses,
        rows=run.rows,
        started_at=next(iter(started), None),
        wall_s=sum(row["wall_s"] or 0.0 for row in commands) if commands else None,
        devices=_distinct(
            " ".join(part for part in (cell["device"], cell["device_name"]) if part)
            for cell in run.cells
            if cell["status"] in TIMED
        ),
        hosts=_distinct(row["host"] for row in [*run.cells, *commands]),
        torch_versions=_distinct(row["torch_version"] for row in [*run.cells, *commands]),
        gradbench_versions=_distinct(row["gradbench_version"] for row in [*run.cells, *commands]),
    )


def _state(run: _Found, commands: list[dict[str, Any]], statuses: Counter[str]) -> str:
    """Say whether a run is complete, and if not, why."""
    finished = run.blocks.get(CELL, set())
    begun = (run.blocks.get("samples", set()) | run.blocks.get("gradients", set())) - finished
    reasons = []
    if not commands:
        reasons.append("no record")
    elif commands[-1]["state"] != "done" and (
        _of_versions(commands[-1], finished) < (commands[-1]["blocks"] or 0)
        or _of_versions(commands[-1], run.blocks.get(OBSERVATION, set()))
        < (commands[-1]["experiments"] or 0)
    ):
        reasons.append(_WHY.get(commands[-1]["state"], str(commands[-1]["state"])))
    elif commands[-1]["state"] == "running":
        reasons.append(_WHY["running"])
    if begun:
        reasons.append(f"{len(begun)} half-written")
    if run.damaged:
        reasons.append(f"{run.damaged} unreadable")
    if reasons:
        return f"incomplete: {', '.join(reasons)}"
    failed = statuses["failed"]
    return f"complete, {failed} cells failed" if failed else "complete"


def _of_versions(command: Mapping[str, Any], names: set[str]) -> int:
    """Count the files of a command's versions; all where none, or no name, says which."""
    versions = Versions(str(command["torch_version"]), str(command["gradbench_version"]))
    own = f"-{'-'.join(map(safe, versions.parts))}-"
    return sum(own in name for name in names) or len(names)


def _most(commands: list[dict[str, Any]], column: str) -> int | None:
    return max((row[column] for row in commands if row[column] is not None), default=None)


def _distinct(values: Iterable[Any]) -> list[str]:
    return sorted({str(value) for value in values if value})
