"""The command line: verbs, and as the default verb the Hydra app."""

from __future__ import annotations

import difflib
import errno
import re
import sys
from typing import TYPE_CHECKING, Any

import typer

from gradbench.cli.commands.calibrate import calibrate
from gradbench.cli.commands.compare import compare
from gradbench.cli.commands.diagnose import CONTEXT, diagnose
from gradbench.cli.commands.explain import explain
from gradbench.cli.commands.predict import predict
from gradbench.cli.commands.report import report
from gradbench.cli.commands.run import run
from gradbench.cli.commands.runs import runs
from gradbench.cli.commands.summary import summary
from gradbench.cli.exits import BAD_REQUEST, DONE, FAILED, INTERRUPTED
from gradbench.errors import BadRequest, Unwritable
from gradbench.request.schema import groups
from gradbench.terminal.console import complain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
"""What a machine answers that cannot store anything, or may not for this user."""

_SIGNS = ("-", "+", "~")
"""What flags, additions and deletions begin with."""


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
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Is an update of PyTorch parameters right, how fast is it, and which one to use.",
)


app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run)
app.command(context_settings=CONTEXT)(diagnose)
for _verb in (explain, summary, report, compare, predict, runs, calibrate):
    app.command()(_verb)


def usage_error() -> Any:
    """Return what typer raises for a wrong option or argument.

    Relies on ``typer.BadParameter`` being derived from it alone, as in click 8: in the copy of
    click that typer 0.29 has, the class has no public name.
    """
    return typer.BadParameter.__bases__[0]


def plainly(message: str) -> str:
    """Say what typer says of a wrong command line as everything else here is said.

    Args:
        message: Such as ``Invalid value for '--by': Value error, 'x' is not one of 'time', …``.

    Returns:
        Such as ``--by x: choose from time, …``; any other message as a sentence.
    """
    found = re.fullmatch(
        r"Invalid value for '(.+?)': (?:Value error, )?'(.*)' is not one of (.+?)\.?",
        message,
        re.DOTALL,
    )
    if found:
        message = f"{found[1]} {found[2]}: choose from {found[3].replace(chr(39), '')}"
    return message if message.endswith(".") else f"{message}."


@app.callback()
def _verbs() -> None:
    pass


def _no_verb(word: str, verbs: Iterable[str]) -> str:
    """Say what could stand in place of a first word that is neither verb nor override."""
    close = difflib.get_close_matches(word, verbs)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    choices = ", ".join(sorted(verbs))
    return f"{word!r} is no verb and no override KEY=VALUE: {meant}choose from {choices}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: What follows ``python -m gradbench``; None takes them from ``sys.argv``, as the
            installed command ``gradbench`` does.

    Returns:
        Exit status: 0 done; 1 a cell is wrong, a cell or an experiment failed, a program has a
        finding, or something cannot be stored; 2 the request is wrong; 130 or 143 interrupted.
    """
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    if arguments is None:
        arguments = sys.argv[1:]
    first = arguments[0] if arguments else ""
    if arguments and first not in verbs and "=" not in first and not first.startswith(_SIGNS):
        complain([_no_verb(first, verbs)])
        return BAD_REQUEST
    chosen = list(arguments) if first in {*verbs, "--help", "-h"} else ["run", *arguments]
    try:
        status = app(chosen, standalone_mode=False)
    except BadRequest as error:
        complain([error])
        return BAD_REQUEST
    except usage_error() as error:
        said = plainly(error.format_message())
        complain([f"{said} See python -m gradbench {chosen[0]} --help."])
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
