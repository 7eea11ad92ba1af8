"""``python -m gradbench.instruments``: the same speedup by every instrument."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gradbench.cli.commands.calibrate import parse_loads
from gradbench.errors import BadRequest
from gradbench.request.hydra_app import compose_configuration

DEFAULTS = ("strategy=[foreach]", "zeroing=[set_to_none]")


def instruments(
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Which block; one strategy beside the baseline.")
    ] = None,
    repeats: Annotated[int, typer.Option(help="Repeats under each load.")] = 10,
    seconds: Annotated[float, typer.Option(help="Sampling of one instrument.")] = 2.0,
    hogs: Annotated[str, typer.Option(help="Busy processes beside it, each a load.")] = "0,2",
    without: Annotated[list[str] | None, typer.Option(help="Leave an instrument out.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("results"),
    run: Annotated[str | None, typer.Option(help="Name; the same again goes on.")] = None,
) -> None:
    """Measure the same speedup by Timer, pytest-benchmark, pyperf and gradbench, by turns."""
    # Imported late, so that --help and a wrong request wait for no torch.
    from gradbench.request.plan import plan_block
    from gradbench.results.load import load
    from gradbench.results.schema import INSTRUMENT
    from gradbench.results.store import Store
    from gradbench.sweep.sweep import check_writable

    console = Console(width=None if sys.stdout.isatty() else 120)
    name = run or f"{datetime.now():%Y-%m-%d_%H-%M-%S}-instruments"
    status = 0
    try:
        loads = parse_loads(hogs)
        if repeats < 2:
            raise BadRequest(f"--repeats {repeats}: choose 2 or more, a spread needs two")
        if not 0 < seconds < 86_400:
            raise BadRequest(f"--seconds {seconds:g}: choose a number above 0, at most a day")
        config = compose_configuration([*DEFAULTS, *(overrides or []), f"run={name}"])
        block = plan_block(config)
        if len([cell for cell in block.cells if cell.role == "candidate"]) != 1:
            raise BadRequest("give one strategy that is not the baseline, and one zeroing")
        store = Store(output / name)
        check_writable(store.folder)

        from gradbench.instruments.comparison import INSTRUMENTS, Comparison
        from gradbench.instruments.subject import Subject
        from gradbench.report.instruments import instrument_table, summarise

        unknown = sorted(set(without or []) - set(INSTRUMENTS))
        if unknown:
            choices = ", ".join(f"'{name}'" for name in INSTRUMENTS)
            raise BadRequest(f"--without {unknown[0]}: choose from {choices}")
        used = {name: INSTRUMENTS[name] for name in INSTRUMENTS if name not in (without or [])}
        subject = Subject.of(block)
    except BadRequest as error:
        Console(stderr=True, soft_wrap=True).print(f"gradbench: {error}", markup=False)
        raise typer.Exit(2) from error
    comparison = Comparison(
        subject,
        store,
        repeats,
        seconds,
        loads,
        lambda line: console.print(line, markup=False, highlight=False),
        used,
    )
    try:
        comparison.measure()
    except KeyboardInterrupt:
        status = 130
    if (store.folder / INSTRUMENT).is_dir():
        console.print(instrument_table(summarise(load(store.folder, INSTRUMENT))))
        console.print(f"written: {store.folder}", markup=False, highlight=False)
    raise typer.Exit(status)


if __name__ == "__main__":
    typer.run(instruments)
