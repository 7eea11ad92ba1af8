"""A report's files: the page, tables for papers and spreadsheets, figures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradbench.errors import BadRequest
from gradbench.report.rendering import Rendering, start_figures

if TYPE_CHECKING:
    from gradbench.report.charts.figure import Figure
    from gradbench.report.tables.table import ReportTable

_OURS = {".md", ".tex", ".csv", ".svg", ".png"}
_PRINTED = {
    "background": "white",
    "config": {
        "font": "Liberation Sans, Arial, Helvetica, sans-serif",
        "legend": {"orient": "top", "titleOrient": "left", "symbolSize": 90},
        "view": {"stroke": None},
        "axis": {"gridColor": "#e7e6e1", "domainColor": "#cfcec8", "tickColor": "#cfcec8"},
    },
}


def check_folder(output: Path) -> None:
    """Refuse a folder that cannot be written, before time is spent; it is not made yet.

    Args:
        output: Folder of the report.

    Raises:
        BadRequest: It is a file, or it or the folder above may not be written.
    """
    there = next(path for path in (output, *output.absolute().parents) if path.exists())
    if not there.is_dir():
        raise BadRequest(f"cannot write to {output}: {there} is not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise BadRequest(f"cannot write to {output}: permission denied for {there}")


@contextmanager
def written(output: Path) -> Iterator[None]:
    """Make the folders of a report; a folder that cannot be written is the request's fault.

    Args:
        output: Folder of the report.

    Yields:
        When it is there.

    Raises:
        BadRequest: It cannot be written.
    """
    try:
        for folder in ("tables", "figures"):
            (output / folder).mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadRequest(f"cannot write to {error.filename or output}: {reason}") from error


def start_drawing(figures: Sequence[Figure], output: Path) -> list[Rendering]:
    """Start drawing the figures into ``figures/``, in place of those of an earlier report.

    Args:
        figures: The figures.
        output: Folder of the report.

    Returns:
        The processes that draw.
    """
    _clear(output / "figures")
    return start_figures([(one.name, printed(one)) for one in figures], output / "figures")


def printed(figure: Figure) -> dict[str, Any]:
    """Dress a figure for paper.

    Args:
        figure: The figure.

    Returns:
        Its specification, on white.
    """
    return {**figure.specification, **_PRINTED}


def write_tables(tables: Sequence[ReportTable], output: Path) -> None:
    """Write the tables into ``tables/``, in place of those of an earlier report.

    Args:
        tables: The tables.
        output: Folder of the report.
    """
    folder = output / "tables"
    _clear(folder)
    for table in tables:
        _write(folder / f"{table.name}.md", table.markdown())
        _write(folder / f"{table.name}.tex", table.latex())
        _write(folder / f"{table.name}.csv", table.csv())


def write_index(page: str, output: Path) -> Path:
    """Write ``index.html``.

    Args:
        page: The page.
        output: Folder of the report.

    Returns:
        Its path.
    """
    path = output / "index.html"
    _write(path, page)
    return path


def _clear(folder: Path) -> None:
    for old in folder.iterdir():
        if old.suffix in _OURS:
            old.unlink()


def _write(path: Path, content: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(content, encoding="utf-8", newline="\n")
    os.replace(partial, path)
