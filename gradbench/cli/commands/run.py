"""The verb ``run``, which may be left out: a block or experiments, or a sweep of them."""

from __future__ import annotations

import shlex
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from gradbench.cli.commands.summary import print_summary, print_trust
from gradbench.cli.exits import DONE, FAILED, exit_status, interruptible
from gradbench.errors import BadRequest, Unwritable
from gradbench.terminal.console import complain, make_console

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from gradbench.sweep.sweep import Sweep


def run(context: typer.Context) -> None:
    """Measure a block or run experiments: OVERRIDES, in Hydra's grammar, say which. The default."""
    raise typer.Exit(_run(context.args))


def _run(overrides: list[str]) -> int:
    """Hand overrides to Hydra, then sum up what there is."""
    # Imported here: --help must not wait for Hydra and pyarrow.
    from gradbench.request.hydra_app import run_jobs
    from gradbench.sweep.scratch import scratch_folder
    from gradbench.sweep.sweep import Sweep
    from gradbench.terminal.progress import Screen

    screen = Screen(make_console())
    sweep = Sweep(overrides, screen)
    with interruptible(sweep.interrupted_by):
        try:
            try:
                run_jobs(
                    overrides,
                    sweep.job,
                    run=f"{datetime.now():%Y-%m-%d_%H-%M-%S}",
                    scratch=scratch_folder(),
                    ahead=sweep.ahead,
                )
                sweep.finish()
            except (BadRequest, Unwritable) as error:
                sweep.error = error
            finally:
                screen.end()
                sweep.leave_server()
            if sweep.error is None:
                return _sum_up(sweep)
        except Unwritable as error:
            sweep.error = error
        except KeyboardInterrupt as end:
            with suppress(Unwritable):
                sweep.record("interrupted")
            if sweep.store is not None:
                complain([f"interrupted: {_to_continue(sweep)}"])
            return exit_status(end)
    if sweep.finished:  # a request that was wrong from the start leaves nothing
        with suppress(Unwritable):
            sweep.record("failed")
    if isinstance(sweep.error, BadRequest):
        raise sweep.error
    complain([f"{sweep.error}; {_to_continue(sweep)}" if sweep.finished else sweep.error])
    return FAILED


def _sum_up(sweep: Sweep) -> int:
    """Print the tables of the command's blocks and where they are; return the exit status."""
    if sweep.store is None:  # --cfg, --info and the like measure nothing
        return DONE
    from gradbench.results.schema import CELL, OBSERVATION

    store = sweep.store
    gone = [name for table, name in sweep.asked if not store.path(table, name).is_file()]
    if gone:
        raise Unwritable(f"{store.folder} was removed while it was written: {gone[0]} is gone")
    cells, observations = (
        _load([store.path(table, name) for name in sweep.names(table)], table)
        for table in (CELL, OBSERVATION)
    )
    failed = (cells["status"] == "failed").any() or (observations["verdict"] == "failed").any()
    sweep.record("failed" if failed else "done")
    console = make_console()
    folder = sweep.store.folder
    print_summary(console, cells, observations, [folder])
    print_trust(console, [folder], cells)
    console.print(f"\nwritten: {folder}", markup=False, highlight=False)
    console.print(f"again:   python -m gradbench summary {folder}", markup=False, highlight=False)
    return FAILED if failed or (cells["status"] == "wrong").any() else DONE


def _load(paths: Sequence[Path], table: str) -> pd.DataFrame:
    """Load a table from several paths; its columns alone where there are none."""
    import pandas as pd

    from gradbench.results.load import load
    from gradbench.results.schema import TABLES

    if not paths:
        return pd.DataFrame(columns=[column.name for column in TABLES[table]])
    return pd.concat([load(path, table) for path in paths], ignore_index=True)


def _to_continue(sweep: Sweep) -> str:
    """Say how to go on after an interruption."""
    from gradbench.request.hydra_app import sets

    given = sweep.command
    if sweep.store is not None and not sets("run", given):
        given = [*given, f"run={sweep.store.folder.name}"]
    command = shlex.join(["python", "-m", "gradbench", *given])
    return f"what is finished is kept; to continue: {command}"
