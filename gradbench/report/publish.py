"""A report: gathered, drawn, written, and shown in a notebook."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gradbench.statistics.verdicts import MARGIN, check_margin

if TYPE_CHECKING:
    from gradbench.report.charts.figure import Figure
    from gradbench.report.content import Content
    from gradbench.report.rendering import Rendering
    from gradbench.report.tables.table import ReportTable

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """A report that can be written, and that a notebook shows.

    Args:
        content: What it shows.
        tables: Its tables.
        figures: Its figures.
        page: The page as HTML.
    """

    content: Content
    tables: tuple[ReportTable, ...]
    figures: tuple[Figure, ...]
    page: str

    def __repr__(self) -> str:
        """Count what there is."""
        return f"<gradbench report: {len(self.tables)} tables, {len(self.figures)} figures>"

    def _repr_html_(self) -> str:
        """Show the whole page in a notebook, in a frame of its own."""
        from markupsafe import escape

        return (
            f'<iframe srcdoc="{escape(self.page)}" style="width:100%;height:80vh;border:0" '
            'sandbox="allow-scripts allow-downloads"></iframe>'
        )

    def write(self, output: str | Path) -> Path:
        """Write the page, the tables and the figures.

        Args:
            output: Folder, made where it is missing; files of an earlier report are replaced.

        Returns:
            Path of ``index.html``.

        Raises:
            BadRequest: The folder cannot be written.
        """
        from gradbench.report.export import start_drawing, written

        folder = Path(output)
        with written(folder), ExitStack() as stack:
            drawing = [_ended(stack, one) for one in start_drawing(self.figures, folder)]
            return self._complete(folder, drawing)

    def _complete(self, folder: Path, drawing: Iterable[Rendering]) -> Path:
        """Write the tables while the figures are drawn, and the page last."""
        from gradbench.report.export import write_index, write_tables

        write_tables(self.tables, folder)
        for one in drawing:
            one.finish()
        return write_index(self.page, folder)


def report(
    paths: str | Path | Iterable[str | Path] = "results",
    output: str | Path | None = None,
    progress: Progress = lambda step: None,
    margin: float = MARGIN,
) -> Report:
    """Make a report of every run below paths: other people's too, mixed devices and versions.

    Args:
        paths: One or several folders of results, at any level; paths or URLs.
        output: Folder to write to; None writes nothing.
        progress: Told of each step.
        margin: Smallest relative difference of two times that matters.

    Returns:
        The report; a notebook shows its page.

    Raises:
        BadRequest: There is nothing to report, the folder cannot be written, or the margin is none.
    """
    # Imported here: `python -m gradbench --help` must wait for neither pandas nor Altair.
    from gradbench.report.content import derive
    from gradbench.report.export import check_folder, start_drawing, written
    from gradbench.report.gather import gather
    from gradbench.report.page import write_page
    from gradbench.report.rendering import Rendering
    from gradbench.results.location import each

    check_margin(margin)
    if output is not None:
        check_folder(Path(output))
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gradbench-")))
        bundling = _ended(stack, Rendering.start("bundle", scratch))
        progress("reading")
        content = derive(gather(each(paths)), margin)
        progress("drawing")
        tables, figures = told_apart(draw_tables(content)), tuple(draw_figures(content))
        drawing = []
        if output is not None:
            progress("writing")
            stack.enter_context(written(Path(output)))
            drawing = [_ended(stack, one) for one in start_drawing(figures, Path(output))]
        bundling.finish()
        bundle = (scratch / "vega.js").read_text(encoding="utf-8")
        made = Report(content, tables, figures, write_page(content, tables, figures, bundle))
        if output is not None:
            made._complete(Path(output), drawing)
    return made


def _ended(stack: ExitStack, rendering: Rendering) -> Rendering:
    """Have a process ended when the stack is, whatever happened meanwhile."""
    stack.callback(rendering.stop)
    return rendering


def told_apart(tables: Iterable[ReportTable]) -> tuple[ReportTable, ...]:
    """Number tables whose names came out the same: each is a file.

    Args:
        tables: The tables.

    Returns:
        The tables, each with a name of its own.
    """
    named: dict[str, ReportTable] = {}
    for table in tables:
        name, number = table.name, 1
        while name.lower() in named:
            number += 1
            name = f"{table.name}-{number}"
        named[name.lower()] = replace(table, name=name)
    return tuple(named.values())


def draw_tables(content: Content) -> Iterator[ReportTable]:
    """Draw the tables in their order.

    Args:
        content: What the report shows.

    Yields:
        The tables.
    """
    from gradbench.report.tables import (
        calibration,
        cost_models,
        environment,
        fleet,
        gradient_trouble,
        latency,
        missing,
        observations,
        recommendations,
        situations,
        speedups,
        twins,
        verification,
        zeroings,
    )

    for table in (
        *(fleet, recommendations, twins, calibration, speedups, latency, situations, verification),
        *(zeroings, cost_models, missing, gradient_trouble, observations, environment),
    ):
        yield from table.draw(content)


def draw_figures(content: Content) -> Iterator[Figure]:
    """Draw the figures in their order; what has no data has no figure.

    Args:
        content: What the report shows.

    Yields:
        The figures.
    """
    from gradbench.report.charts import cost, devices, gradients, phases, speedup, update_time

    drawings = (
        *(speedup.draw, update_time.draw, devices.draw, phases.draw),
        *(cost.draw_bytes, cost.draw_tensors, gradients.draw_norm, gradients.draw_zeros),
    )
    for draw in drawings:
        figure = draw(content)
        if figure is not None:
            yield figure
