"""The verb ``diagnose``."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradbench.cli.exits import DONE, FAILED, INTERRUPTED
from gradbench.errors import BadRequest
from gradbench.terminal.console import make_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gradbench.diagnosis.program import Outcome
    from gradbench.diagnosis.tell.report import Report
    from gradbench.diagnosis.timeline import Timeline

STEPS = 8
"""Updates that are watched if nothing else is asked for."""

CONTEXT = {"allow_interspersed_args": False}
"""What follows the script's name is the script's."""


class Format(Enum):
    """How a report is written."""

    screen = "screen"
    json = "json"
    sarif = "sarif"
    html = "html"


class FailOn(Enum):
    """What makes the exit status 1."""

    error = "error"
    warning = "warning"


def diagnose(
    script: Annotated[str | None, typer.Argument(metavar="SCRIPT", help="A Python script.")] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="What the script is to be given.")
    ] = None,
    module: Annotated[
        bool, typer.Option("--module", "-m", help="SCRIPT is a module's name, as of python -m.")
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help=f"End the script after so many updates; {STEPS}, if left out."),
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Let the script run to its end.")] = False,
    form: Annotated[
        Format, typer.Option("--format", help="How to write what is found.")
    ] = Format.screen,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there, not to the screen.")
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="What is to end in exit status 1.")] = (
        FailOn.warning
    ),
    only: Annotated[
        list[str] | None, typer.Option(metavar="GB…", help="Look with these checks, such as GB101.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="GB…", help="Leave these checks out.")
    ] = None,
    notes: Annotated[bool, typer.Option("--notes", help="Show notes, too.")] = False,
    timeline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep what was seen, as parquet, for --replay."),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Look at what was kept; nothing is run."),
    ] = None,
) -> None:
    """Find out why a gradient is None, zero, stale or wrong in your own program.

    Runs SCRIPT with its ARGS as Python would, watches its first updates, and
    shows what is amiss: where, why, and what to write instead. Options of
    diagnose come before SCRIPT; whatever follows it belongs to it.

    Exit status: 0 nothing found, or that of SCRIPT; 1 something found, or
    SCRIPT raised; 2 the request is wrong; 130 interrupted.
    """
    checks = _listed(only), _listed(ignore)
    _check_files(output, timeline)
    # Imported here: --help must not wait for torch.
    from gradbench.diagnosis.conclude import conclude, known_checks

    for ids in checks:
        known_checks(ids)
    if replay is not None:
        given = {"SCRIPT": script, "--module": module, "--steps": steps, "--whole": whole}
        _refuse({**given, "--timeline": timeline}, "--replay runs nothing: leave out")
        from gradbench.diagnosis.timeline_file import read_timeline

        seen = read_timeline(replay)
        outcome = None
    else:
        outcome = _run(
            *(script, arguments or (), module, _limit(steps, whole)),
            aside=form is not Format.screen and output is None,
        )
        seen = outcome.timeline
    if timeline is not None:
        from gradbench.diagnosis.timeline_file import write_timeline

        write_timeline(seen, timeline)
    report = conclude(seen, *checks)
    early = outcome is not None and outcome.ended_early
    if early:
        report = replace(report, ended=f"{report.ended}: --whole lets it run to its end")
    _tell(report, seen, form, output, notes)
    status = _status(report, outcome, fail_on)
    if early:
        from gradbench.diagnosis.left_running import end_what_is_left

        end_what_is_left(status)
    raise typer.Exit(status)


def _run(
    script: str | None, arguments: Sequence[str], module: bool, limit: int | None, aside: bool
) -> Outcome:
    """Run the program, and show what it raised as Python does."""
    if not script:
        raise BadRequest("no SCRIPT: give a Python script, with -m a module, or --replay FILE")
    from gradbench.diagnosis.aside import stdout_aside
    from gradbench.diagnosis.program import run_program
    from gradbench.diagnosis.shown_error import show_error

    with stdout_aside() if aside else nullcontext():
        outcome = run_program(script, arguments, module=module, steps=limit)
        sys.stdout.flush()
        if outcome.said:
            print(outcome.said, file=sys.stderr)
        if outcome.error is not None and not isinstance(outcome.error, KeyboardInterrupt):
            show_error(outcome.error, outcome.excepthook)
    return outcome


def _tell(report: Report, seen: Timeline, form: Format, output: Path | None, notes: bool) -> None:
    from gradbench.diagnosis.tell.screen import draw
    from gradbench.diagnosis.tell.words import summary
    from gradbench.diagnosis.tell.written import FORMS

    if form is Format.screen and output is None:
        make_console().print(draw(report, notes))
        return
    text = FORMS[form.value](report, seen, notes)
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    output.write_text(text, encoding="utf-8")
    for line in (summary(report, notes), f"written: {output}"):
        make_console().print(line, markup=False, highlight=False, soft_wrap=True)


def _status(report: Report, outcome: Outcome | None, fail_on: FailOn) -> int:
    from gradbench.diagnosis.finding import Severity

    if outcome is not None and isinstance(outcome.error, KeyboardInterrupt):
        return INTERRUPTED
    alarming = report.alarming if fail_on is FailOn.warning else report.of(Severity.error)
    if alarming or (outcome is not None and outcome.error is not None):
        return FAILED
    return outcome.status if outcome is not None else DONE


def _limit(steps: int | None, whole: bool) -> int | None:
    if steps is not None and whole:
        raise BadRequest("--steps and --whole: choose one of them")
    return None if whole else steps or STEPS


def _listed(given: Sequence[str] | None) -> tuple[str, ...]:
    """Take lists with commas apart."""
    return tuple(id_ for each in given or () for id_ in each.split(","))


def _refuse(given: dict[str, object], why: str) -> None:
    there = [name for name, value in given.items() if value]
    if there:
        raise BadRequest(f"{why} {', '.join(there)}")


def _check_files(*files: Path | None) -> None:
    """Hold files to be written against the disk before anything runs."""
    for file in files:
        if file is not None and not file.parent.is_dir():
            raise BadRequest(f"no folder {file.parent}: choose one that is there for {file.name}")
        if file is not None and file.is_dir():
            raise BadRequest(f"{file} is a folder: give the name of a file")
