"""The command line: verbs, and as the default verb the Hydra app."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import sys
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from gradbench.commands.calibrate import calibrate
from gradbench.commands.compare import compare
from gradbench.commands.predict import predict
from gradbench.commands.report import report
from gradbench.commands.runs import runs
from gradbench.config import BadRequest, Unwritable, configuration_folder, groups
from gradbench.console import complain, make_console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from gradbench.sweep import Sweep

DONE, FAILED, BAD_REQUEST, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
"""What a machine answers that cannot store anything, or may not for this user."""


def _epilog() -> str:
    """List the groups and their options, from the folders themselves."""
    lines = [f"{group}=[bold]{', '.join(options)}[/]" for group, options in groups().items()]
    scalars = "dtype=…, seed=…, threads=…, run=NAME, output=FOLDER"
    examples = "\n\n".join(
        (
            "python -m gradbench",
            "python -m gradbench model=gpt2 rule=adamw",
            "python -m gradbench +sweep=quick",
            r"python -m gradbench 'strategy=\[no_grad,foreach]' zeroing=all",
            "python -m gradbench model=custom model.factory=package.module:function",
            r"python -m gradbench 'experiment=\[article,observer_cost]'",
        )
    )
    return (
        "[bold]Groups[/] (OVERRIDES of run; [italic]sweep[/] with a +)\n\n"
        + "\n\n".join([*lines, scalars])
        + f"\n\n[bold]Examples[/]\n\n{examples}"
    )


app = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    no_args_is_help=False,
    epilog=_epilog(),
    help="Is an update of PyTorch parameters right, how fast is it, and which one to use.",
)


app.command()(calibrate)
app.command()(compare)
app.command()(predict)
app.command()(report)
app.command()(runs)

_UsageError: Any = typer.BadParameter.__bases__[0]  # click's, which typer has a copy of


@app.callback()
def _verbs() -> None:
    pass


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context) -> None:
    """Measure a block or run experiments: OVERRIDES, in Hydra's grammar, say which. The default."""
    raise typer.Exit(_run(context.args))


@app.command()
def summary(
    paths: Annotated[list[Path] | None, typer.Argument(help="Folders of results.")] = None,
) -> None:
    """Print the tables of stored runs, other people's too."""
    from gradbench.results.incomplete import explain_nothing
    from gradbench.results.load import load_readable
    from gradbench.results.schema import CELL, OBSERVATION

    chosen = paths or [Path("results")]
    experiments = [path for path in chosen if path.is_dir() or path.parent.name == OBSERVATION]
    others = [path for path in chosen if path.is_dir() or path.parent.name != OBSERVATION]
    try:
        cells, left_out = load_readable(others, CELL)
        observations, more_left_out = load_readable(experiments, OBSERVATION)
    except FileNotFoundError as error:
        raise BadRequest(str(error)) from error
    left_out += more_left_out
    if cells.empty and observations.empty:
        raise BadRequest(explain_nothing(chosen, left_out, "results"))
    console = make_console()
    _print_summary(console, cells, observations)
    _print_calibrations(console, [path for path in chosen if path.is_dir()], cells)
    complain(f"left out {file}" for file in left_out)
    raise typer.Exit(FAILED if left_out else DONE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: What follows ``python -m gradbench``; None takes them from ``sys.argv``, as the
            installed command ``gradbench`` does.

    Returns:
        Exit status: 0 done; 1 a cell is wrong, a cell or an experiment failed, or something
        cannot be stored; 2 the request is wrong; 130 or 143 interrupted.
    """
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    if arguments is None:
        arguments = sys.argv[1:]
    first = arguments[0] if arguments else ""
    chosen = list(arguments) if first in {*verbs, "--help", "-h"} else ["run", *arguments]
    try:
        status = app(
            ["--help" if argument == "-h" else argument for argument in chosen],
            standalone_mode=False,
        )
    except BadRequest as error:
        complain([error])
        return BAD_REQUEST
    except _UsageError as error:
        complain([f"{error.format_message()} See python -m gradbench {chosen[0]} --help."])
        return BAD_REQUEST
    except Unwritable as error:
        complain([error])
        return FAILED
    except OSError as error:
        if error.errno not in _FAULTS:
            raise
        complain([f"{error.filename or 'results'} cannot be written: {error.strerror}"])
        return FAILED
    except typer.Abort:  # Ctrl-C
        return INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    return status if isinstance(status, int) else DONE


def _refuse(message: str) -> NoReturn:
    """End with the one message a wrong request gets."""
    complain([message])
    raise typer.Exit(BAD_REQUEST)


def _run(overrides: list[str]) -> int:
    """Hand overrides to Hydra, then sum up what there is."""
    # Imported here: --help must not wait for Hydra and pyarrow.
    from gradbench.screen import Screen
    from gradbench.sweep import Sweep

    screen = Screen(make_console())
    sweep = Sweep(overrides, screen)
    with _interruptible(sweep):
        try:
            try:
                _hydra(sweep, overrides)
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
            return TERMINATED if isinstance(end, _Terminated) else INTERRUPTED
    if sweep.finished:  # a request that was wrong from the start leaves nothing
        with suppress(Unwritable):
            sweep.record("failed")
    if isinstance(sweep.error, BadRequest):
        _refuse(str(sweep.error))
    complain([f"{sweep.error}; {_to_continue(sweep)}" if sweep.finished else sweep.error])
    return FAILED


class _Terminated(KeyboardInterrupt):
    """SIGTERM: what a scheduler sends before it takes the machine away."""


@contextmanager
def _interruptible(sweep: Sweep) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the sweep, and no second one the tidying up or exit."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def interrupt(number: int, _: object) -> NoReturn:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        sweep.interruption = _Terminated if number == signal.SIGTERM else KeyboardInterrupt
        raise sweep.interruption

    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is interrupt:
                signal.signal(number, handler)


def _hydra(sweep: Sweep, overrides: list[str]) -> None:
    """Let Hydra compose the jobs and call the sweep's task for each."""
    import hydra
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from gradbench.config import Config
    from gradbench.preflight import check_command
    from gradbench.refusal import explain, is_hydras_own
    from gradbench.scratch import scratch_folder

    overrides = sorted(overrides, key=_is_override)  # Hydra takes flags only before overrides
    check_command(overrides)
    ConfigStore.instance().store(name="schema", node=Config)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing, and we explain
    if not any(override.startswith("run=") for override in overrides):
        overrides = [*overrides, f"run={datetime.now():%Y-%m-%d_%H-%M-%S}"]
    # Hydra keeps a multirun.yaml; the table `runs` holds the configuration of every block.
    if not any(override.startswith("hydra.sweep.dir=") for override in overrides):
        quoted = str(scratch_folder()).replace("'", r"\'")
        overrides = [*overrides, f"hydra.sweep.dir='{quoted}'"]
    sys.argv = ["gradbench", *overrides]
    application = hydra.main(
        version_base="1.3", config_path=str(configuration_folder()), config_name="config"
    )(sweep.job)
    try:
        application()
    except (HydraException, OmegaConfBaseException) as error:
        raise BadRequest(explain(error)) from error
    except Exception as error:
        if not is_hydras_own(error):
            raise
        raise BadRequest(explain(error)) from error


def _is_override(argument: str) -> bool:
    """Tell overrides, such as ``a.b=c``, ``+a=b`` and ``~a``, from flags and their values."""
    return re.match(r"[+~]|[\w./@-]+=", argument) is not None and not argument.startswith("-")


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
    _print_summary(console, cells, observations)
    folder = sweep.store.folder
    _print_calibrations(console, [folder], cells)
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


def _print_summary(console: Console, cells: pd.DataFrame, observations: pd.DataFrame) -> None:
    from gradbench.report.observations import observation_summaries, rows_of
    from gradbench.report.summary import status_lines, summary_tables
    from gradbench.report.zeroing_summary import zeroing_tables

    for table in [*summary_tables(cells), *zeroing_tables(cells)]:
        console.print(table)
    for line in status_lines(cells):
        console.print(line, markup=False, highlight=False)
    for summed_up in observation_summaries(rows_of(observations)):
        console.print(summed_up)


def _print_calibrations(console: Console, folders: Sequence[Path], cells: pd.DataFrame) -> None:
    """Say how far the intervals above are to be trusted."""
    import pandas as pd

    from gradbench.report.calibration import calibration_lines
    from gradbench.results.latest import latest_calibrations

    if folders:
        found = pd.concat([latest_calibrations(folder) for folder in folders], ignore_index=True)
        for line in calibration_lines(found.drop_duplicates(), cells):
            console.print(line, markup=False, highlight=False)


def _to_continue(sweep: Sweep) -> str:
    """Say how to go on after an interruption."""
    given = sweep.command
    if sweep.store is not None and not any(o.startswith("run=") for o in given):
        given = [*given, f"run={sweep.store.folder.name}"]
    command = shlex.join(["python", "-m", "gradbench", *given])
    return f"what is finished is kept; to continue: {command}"
