"""README table and figure of the committed runs: ``python tools/reference_runs.py``."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradbench.errors import BadRequest

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.content import Content

KEPT = ("cells", "gradients", "observations", "runs")
"""Tables of a committed run; samples are too many for git."""

SHOWN = {"rule": "adamw", "dtype": "float32"}
"""What the README shows of every device; the page beside the runs has the rest."""

BEGIN = "<!-- reference: written by `make reference`, do not edit -->"
END = "<!-- end of reference -->"


def keep_run(run: Path, reference: Path) -> Path:
    """Copy a run into the folder of committed runs, in place of one of its name, without samples.

    Args:
        run: Folder of the run.
        reference: Folder of committed runs.

    Returns:
        The run's folder there.

    Raises:
        BadRequest: The folder holds no cells, or holds unreadable files.
    """
    from gradbench.results.files import readable_files

    if not run.is_dir():
        raise BadRequest(f"no such folder: {run}")
    files = {table: readable_files(run, table) for table in KEPT}
    left_out = [file for found in files.values() for file in found.left_out]
    if left_out:
        raise BadRequest(f"not kept: {'; '.join(map(str, left_out))}")
    if not files["cells"].readable:
        raise BadRequest(f"no cells below {run}: give the folder of one run")
    target = reference / run.resolve().name
    reference.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=reference) as scratch:
        for table, found in files.items():
            for file in found.readable:
                place = Path(scratch) / "run" / table / file.name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
        shutil.rmtree(target, ignore_errors=True)
        (Path(scratch) / "run").rename(target)
    return target


def write_reference(reference: Path, readme: Path) -> None:
    """Write the README's part between its two marks, the figure that it shows, and a page of all.

    Args:
        reference: Folder of committed runs; ``README.md`` there has what the README leaves out.
        readme: The README.

    Raises:
        BadRequest: There is no committed run, or the README lacks the marks.
    """
    from gradbench.report.charts import speedup
    from gradbench.report.content import derive
    from gradbench.report.export import printed
    from gradbench.report.gather import gather
    from gradbench.report.rendering import start_figures
    from gradbench.report.tables import recommendations, twins

    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise BadRequest(f"{readme} lacks the marks {BEGIN} and {END}")
    gathered = gather([reference])
    every = derive(gathered)
    cells = gathered.cells
    for column, value in SHOWN.items():
        cells = cells[cells[column] == value]
    cells = cells[cells["model"].isin(_measured_everywhere(cells))]
    shown = derive(replace(gathered, cells=cells)) if len(cells) else every
    figures = [figure for figure in [speedup.draw(shown, columns=3)] if figure is not None]
    for rendering in start_figures([(one.name, printed(one)) for one in figures], reference):
        rendering.finish()
    for one in figures:
        (reference / f"{one.name}.png").unlink()
    page = [
        table.markdown() for draw in (recommendations.draw, twins.draw) for table in draw(every)
    ]
    head = "\n".join(
        ["# The committed runs", "", "Written by `make reference`.", "", *_runs(every)]
    )
    (reference / "README.md").write_text("\n\n".join([head, *page]).strip() + "\n", "utf-8")
    parts = [
        BEGIN,
        "## Reference runs",
        "Each a folder of [results/reference](results/reference):",
        "\n".join(_runs(every)),
        "The whole report is `python -m gradbench report results/reference`; "
        "[all recommendations](results/reference/README.md). "
        f"Of each device, {' in '.join(SHOWN.values())}:",
        *(f"![{one.title}](results/reference/{one.name}.svg)\n\n{one.caption}" for one in figures),
        *(table.markdown().replace("## ", "### ", 1) for table in recommendations.draw(shown)),
        END,
    ]
    start, end = text.index(BEGIN), text.index(END) + len(END)
    body = "\n\n".join(part.strip() for part in parts)
    readme.write_text(text[:start] + body + text[end:], encoding="utf-8", newline="\n")


def _measured_everywhere(cells: pd.DataFrame) -> list[str]:
    """Name the models that every device has measured."""
    measured = cells[cells["status"] == "ok"]
    devices = measured.groupby("model")["device_name"].nunique()
    return list(devices[devices == measured["device_name"].nunique()].index)


def _runs(content: Content) -> list[str]:
    """Say where, when and with what each run that has cells was made."""
    cells = content.cells[content.cells["status"] != "skipped"]
    lines = []
    for run in content.runs.sort_values("run").to_dict("records"):
        devices = cells.loc[cells["run"] == run["run"], "device_label"].unique()
        if len(devices):
            lines.append(
                f"- `{run['run']}`: {', '.join(sorted(devices))}, {run['cpu_count']} processors, "
                f"torch {run['torch_version']}, {str(run['started_at'])[:10]}"
            )
    return lines


def _main(
    run: Annotated[Path | None, typer.Argument(help="Folder of the run to keep.")] = None,
    reference: Annotated[Path, typer.Option(help="Folder of committed runs.")] = Path(
        "results/reference"
    ),
    readme: Annotated[Path, typer.Option(help="The README to write into.")] = Path("README.md"),
) -> None:
    """Keep RUN among the reference runs, then write the README's table and figure from them."""
    try:
        if run is not None:
            keep_run(run, reference)
        write_reference(reference, readme)
    except BadRequest as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(_main)
