"""The verb ``calibrate``."""

from __future__ import annotations

import shlex
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradbench.cli.exits import DONE, exit_status, interruptible
from gradbench.errors import BadRequest
from gradbench.terminal.console import complain, make_console

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gradbench.calibration.calibrate import Calibration

MOST_HOGS = 1024

_OPTIONS = {
    "run": "--run NAME",
    "output": "--output FOLDER",
    "measurement.budget_s": "--seconds NUMBER",
}
"""What the verb sets itself, and by which option."""


def calibrate(
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Which block, in Hydra's grammar: model=mlp_wide.")
    ] = None,
    runs: Annotated[int, typer.Option(help="Re-runs under each load.")] = 20,
    seconds: Annotated[float, typer.Option(help="Sampling of one re-run.")] = 20.0,
    hogs: Annotated[str, typer.Option(help="Busy processes beside it, each a load.")] = "0,1,2",
    output: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("results"),
    run: Annotated[str | None, typer.Option(help="Name; the same again goes on.")] = None,
) -> None:
    """Measure how far to trust the intervals here: one block, again and again, then judged."""
    # Imported here: --help must not wait for Hydra and pandas.
    from gradbench.calibration.block import plan_calibration
    from gradbench.calibration.calibrate import Calibration
    from gradbench.report.calibration import calibration_table
    from gradbench.request.hydra_app import sets
    from gradbench.results.location import check_writable
    from gradbench.results.store import Store

    console = make_console()
    name = run or f"{datetime.now():%Y-%m-%d_%H-%M-%S}-calibration"

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    loads = parse_loads(hogs)
    if runs < 2:
        raise BadRequest(f"--runs {runs}: choose 2 or more, since one run tells nothing")
    if not 0 < seconds < 86_400:
        raise BadRequest(f"--seconds {seconds:g}: choose a number above 0, at most a day")
    for key, option in _OPTIONS.items():
        if sets(key, overrides or []):
            raise BadRequest(f"{key} is no override of calibrate: choose it with {option}")
    calibrated = plan_calibration(overrides or [], seconds, name)
    store = Store(output / name)
    check_writable(store.folder)
    calibration = Calibration(calibrated, store, runs, loads, say)
    block = calibrated.block
    say(
        f"{block.model} · {block.rule} · {block.device}: {runs} re-runs of {seconds:g} s "
        f"{say_loads(loads)} → {store.folder}"
    )

    def judge() -> None:
        rows = calibration.judge()
        if len(rows):
            console.print(calibration_table(rows))
            say(f"written: {store.folder}")

    state = _measure(calibration, judge)
    if state:
        options = ["--runs", f"{runs}", "--seconds", f"{seconds:g}", "--hogs", hogs]
        given = [*(overrides or []), *options, "--output", str(output), "--run", name]
        command = shlex.join(["python", "-m", "gradbench", "calibrate", *given])
        complain([f"interrupted: finished re-runs are kept; to continue: {command}"])
    raise typer.Exit(state)


def _measure(calibration: Calibration, judge: Callable[[], None]) -> int:
    """Do the re-runs and judge what there is; return 130 or 143 if interrupted, else 0."""
    with interruptible():
        try:
            try:
                calibration.measure()
            except KeyboardInterrupt:
                judge()
                raise
            judge()
        except KeyboardInterrupt as end:
            return exit_status(end)
    return DONE


def say_loads(loads: Sequence[int]) -> str:
    """Say beside what the re-runs are done.

    Args:
        loads: Numbers of busy processes.

    Returns:
        Such as ``beside each of 0, 1, 2 busy processes``.
    """
    if len(loads) > 1:
        return f"beside each of {', '.join(map(str, loads))} busy processes"
    if loads[0] == 0:
        return "on the machine as it is"
    return f"beside {loads[0]} busy process{'' if loads[0] == 1 else 'es'}"


def parse_loads(text: str) -> list[int]:
    """Read numbers of busy processes.

    Args:
        text: Such as ``0,1,2``.

    Returns:
        The numbers, each once, in the order given.

    Raises:
        BadRequest: One is no number from 0 to ``MOST_HOGS``.
    """
    loads: list[int] = []
    for part in text.split(","):
        if not part.strip().isdecimal() or int(part) > MOST_HOGS:
            raise BadRequest(f"--hogs {text}: choose numbers from 0 to {MOST_HOGS}, such as 0,1,2")
        if int(part) not in loads:
            loads.append(int(part))
    return loads
