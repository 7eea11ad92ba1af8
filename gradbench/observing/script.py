"""An experiment's file run by itself: ``python experiments/article.py``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated, Any, NoReturn

import torch
import typer
from rich.console import Console
from rich.markup import escape

from gradbench.observing.observation import Observation, Verdict
from gradbench.report.matrices import matrices
from gradbench.report.observations import (
    LONG,
    counts,
    observation_summary,
    observation_table,
)


def main(observe: Callable[[torch.device], Iterator[Observation]]) -> NoReturn:
    """Run an experiment's ``observe``, print what it saw, and exit.

    Args:
        observe: The experiment.

    Raises:
        SystemExit: 0 done, whatever the verdicts; 2 the device is not there. What the experiment
            raises is shown after what it saw until then, with exit status 1.
    """

    def run(
        device: Annotated[str, typer.Option(help="Where: cpu, cuda, cuda:1 …")] = "cpu",
    ) -> None:
        _run(observe, _device(device))

    module = inspect.getmodule(observe)
    run.__doc__ = inspect.getdoc(module) if module is not None else None
    application = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    application.command()(run)
    application()
    sys.exit(0)  # not reached: typer exits


def _device(name: str) -> torch.device:
    """Return the device, or end with the reason why it cannot be used."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        message = str(error).splitlines()[0]
        Console(stderr=True, soft_wrap=True).print(f"--device {name}: {message}", markup=False)
        raise typer.Exit(2) from error
    return device


def _run(observe: Callable[[torch.device], Iterator[Observation]], device: torch.device) -> None:
    console = Console(width=None if sys.stdout.isatty() else 100)
    torch.manual_seed(0)
    rows: list[dict[str, Any]] = []
    try:
        with console.status("observing") as status:
            for observation in observe(device):
                rows.append({**asdict(observation), "verdict": Verdict(observation.verdict).value})
                status.update(observation.case)
    finally:
        title = (
            f"{inspect.getfile(observe).rpartition('/')[2]} · {device} · torch {torch.__version__}"
        )
        if len(rows) > LONG and matrices(rows):
            console.print(observation_summary(title, rows))
        elif rows:
            console.print(observation_table(title, rows))
            console.print(*(matrix.drawn() for matrix in matrices(rows)))
            console.print(counts(rows), highlight=False)
        for row in rows:
            if row.get("reproduction"):
                console.rule(escape(row["case"]), align="left")
                console.print(row["reproduction"], markup=False, highlight=False, soft_wrap=True)
