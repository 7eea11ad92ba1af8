"""Cells that raised while they were measured: each is lost alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gradbench.rules.base import Unavailable


@dataclass(frozen=True)
class Loss:
    """Why a cell has no figures.

    Args:
        status: ``skipped`` where the strategy refused, ``failed`` where anything else was raised.
        reason: What was raised, and while doing what.
    """

    status: str
    reason: str


class Losses(dict[str, Loss]):
    """The first loss of each cell, by its name."""

    @contextmanager
    def catch(self, doing: str, *cells: str) -> Iterator[None]:
        """Record what is raised inside as the loss of cells, and go on after it.

        What ends a command, such as an interrupt, is not caught.

        Args:
            doing: What is being done, for the reason.
            cells: Whose loss it is.
        """
        try:
            yield
        except Exception as error:
            self.add(error, doing, *cells)

    def add(self, error: Exception, doing: str, *cells: str) -> None:
        """Record an error as the loss of cells.

        Args:
            error: What was raised.
            doing: What was being done.
            cells: Whose loss it is.
        """
        loss = loss_of(error, doing)
        for cell in cells:
            self.setdefault(cell, loss)


def loss_of(error: Exception, doing: str) -> Loss:
    """Say what an error means for the cell that raised it.

    Args:
        error: What was raised.
        doing: What was being done.

    Returns:
        The loss; only the first line of the error's message is in its reason.
    """
    if isinstance(error, Unavailable):
        return Loss("skipped", f"{error} ({doing})")
    first = next(iter(f"{type(error).__name__}: {error}".splitlines()))
    return Loss("failed", f"{first} ({doing})")
