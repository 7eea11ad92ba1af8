"""The plan of the package: its rooms from top to ground, and which imports which (`make map`)."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import grimp
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

PACKAGE = "gradbench"
ROOT = Path(__file__).resolve().parent.parent

FLOORS: tuple[tuple[str, ...], ...] = (
    ("__init__",),  # what users import
    ("__main__",),
    ("cli",),
    ("diagnosis",),
    ("calibration",),
    ("sweep",),
    ("parity",),
    ("observing",),
    ("block",),
    ("report",),
    ("compare", "predict"),
    ("terminal",),
    ("results",),
    ("timing",),
    ("verify",),
    ("request",),
    ("strategies",),
    ("rules",),
    ("zeroing",),
    ("models",),
    ("devices",),
    ("statistics",),
    ("machine",),
    ("errors", "version"),
)
"""The rooms from the top: each imports only from floors below its own."""


@dataclass(frozen=True)
class Plan:
    """Rooms, what they are for, and the imports between them.

    Args:
        floors: Names of rooms from the top; those that share a floor may not import each other.
        modules: Number of modules that hold anything, by room.
        lines: Their lines, by room.
        arrows: Number of imports by the room that imports and the one that is imported.
        words: What each room is for: the docstring of its package or module.
    """

    floors: Sequence[Sequence[str]]
    modules: Counter[str]
    lines: Counter[str]
    arrows: Counter[tuple[str, str]]
    words: dict[str, str]

    @property
    def rooms(self) -> list[str]:
        """All rooms, from the top."""
        return [room for floor in self.floors for room in floor]

    @property
    def upward(self) -> list[tuple[str, str]]:
        """Arrows that do not go down to another floor."""
        level = {room: place for place, floor in enumerate(self.floors) for room in floor}
        return [(a, b) for a, b in self.arrows if level[a] >= level[b]]


def read_plan() -> Plan:
    """Read the imports from the code of this checkout.

    Returns:
        The plan; a room that ``FLOORS`` lacks stands on the ground, where it may import nothing.
    """
    sys.path.insert(0, str(ROOT))
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    modules, lines = Counter[str](), Counter[str]()
    arrows = Counter[tuple[str, str]]()
    words: dict[str, str] = {}
    for module in sorted(graph.modules):
        text, room = _source(module), _room(module)
        if module.count(".") == 1 or module == PACKAGE:
            words[room] = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        if ast.parse(text).body[1:]:  # more than a docstring
            modules[room] += 1
            lines[room] += text.count("\n")
        for imported in graph.find_modules_directly_imported_by(module):
            if _room(imported) != room:
                arrows[room, _room(imported)] += 1
    unknown = sorted(modules.keys() - {room for floor in FLOORS for room in floor})
    return Plan([*FLOORS, *([room] for room in unknown)], modules, lines, arrows, words)


def _room(module: str) -> str:
    """Name the room of a module; the package itself is what users import."""
    return module.split(".")[1] if "." in module else "__init__"


def _source(module: str) -> str:
    path = ROOT.joinpath(*module.split("."))
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()


def plan_table(plan: Plan) -> Table:
    """Draw the plan as text, a line for each room."""
    table = Table(title=f"{PACKAGE}, from the top", title_justify="left", pad_edge=False)
    for heading, justify in (("room", "left"), ("modules", "right"), ("lines", "right")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("what for, and what it imports")
    upward = set(plan.upward)
    for floor in plan.floors:
        for room in floor:
            imported = [other for other in plan.rooms if (room, other) in plan.arrows]
            words = [
                Text(f"↑ {other}", "bold red") if (room, other) in upward else Text(other)
                for other in imported
            ]
            sizes = f"{plan.modules[room]}", f"{plan.lines[room]}"
            table.add_row(Text(room, "bold"), *sizes, Text(plan.words[room]))
            if words:
                table.add_row("", "", "", Text("→ ", "dim") + Text(" · ", "dim").join(words))
    table.add_section()
    table.add_row("all", f"{plan.modules.total()}", f"{plan.lines.total()}", "")
    return table


def plan_chart(plan: Plan) -> Any:
    """Draw the plan as a matrix: a row imports a column, so that what goes up lies below left."""
    import altair as alt  # the text alone needs none

    rows = [
        {"importing": a, "imported": b, "imports": n, "upward": (a, b) in set(plan.upward)}
        for (a, b), n in plan.arrows.items()
    ]
    order = plan.rooms
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("imported:N", sort=order, title="is imported").axis(
            orient="top", labelAngle=-45, domain=False, ticks=False
        ),
        y=alt.Y("importing:N", sort=order, title="imports").axis(domain=False, ticks=False),
    )
    colour = alt.condition("datum.upward", alt.value("#c0392b"), alt.value("#3b6ea8"))
    shade = alt.Opacity("imports:Q", legend=None).scale(type="sqrt", range=[0.15, 1.0])
    tiles = base.mark_rect(stroke="white").encode(color=colour, opacity=shade)
    figures = base.mark_text(fontSize=9).encode(text="imports:Q")
    return alt.layer(tiles, figures).properties(width=alt.Step(22), height=alt.Step(18))


def main(
    svg: Annotated[Path | None, typer.Option(help="Also draw it into this file.")] = None,
) -> None:
    """Show the rooms of the package and who imports whom; exit 1 if an import goes upward."""
    if svg is not None and not svg.parent.is_dir():
        typer.echo(f"no such folder: {svg.parent}", err=True)
        raise typer.Exit(2)
    if svg is not None and svg.suffix != ".svg":
        typer.echo(f"--svg {svg}: choose a name that ends in .svg", err=True)
        raise typer.Exit(2)
    plan = read_plan()
    Console(width=None if sys.stdout.isatty() else 120).print(plan_table(plan))
    if svg is not None:
        try:
            plan_chart(plan).save(svg)
        except OSError as error:
            typer.echo(f"{svg} cannot be written: {error.strerror}", err=True)
            raise typer.Exit(1) from error
        typer.echo(f"written: {svg}")
    for a, b in plan.upward:
        typer.echo(f"{a} imports {b}, which stands no lower", err=True)
    raise typer.Exit(bool(plan.upward))


if __name__ == "__main__":
    typer.run(main)
