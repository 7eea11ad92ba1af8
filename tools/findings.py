"""What experiments found, as a Markdown page: ``python tools/findings.py results/RUN``."""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from gradbench.report.markdown import escape, markdown_table
from gradbench.report.matrices import matrices
from gradbench.report.matrix import together
from gradbench.report.observations import (
    LONG,
    NOTABLE,
    Row,
    by_trial,
    by_urgency,
    counts,
    rows_of,
)
from gradbench.request.schema import configuration_folder, experiments_folder
from gradbench.results.observations import ADDED
from gradbench.terminal.console import load_or_exit

_COLUMNS = {"case": "case", "expected": "expected", "outcome": "seen", "message": "evidence"}
_HEAD = """\
Each experiment here puts a question to PyTorch and lets measurement decide. A file reads from top
to bottom and runs by itself: `python experiments/article.py`. This page is what they saw on
{where}. It is written by `make findings`, from stored rows, and edited by nobody.
"""
_VERDICTS = """\
A claim that people make is *confirmed* or *refuted*; behaviour that PyTorch documents is
*as documented*, or else a *defect*, as is anything silently wrong.
"""


def findings_page(rows: Sequence[Row]) -> str:
    """Write the page: defects first, then refuted claims, then experiment by experiment.

    Args:
        rows: Rows of ``observations``; of trials repeated on one machine the latest counts.

    Returns:
        Markdown.
    """
    trials = _latest(rows)
    kept = [row for trial in trials for row in trial]
    sections = [
        "# What the experiments found",
        textwrap.fill(_HEAD.format(where=_where(kept)), 100, break_long_words=False),
        _overview(trials),
        _VERDICTS,
        *_by_verdict("Experiments that broke", "failed", trials),
        *_by_verdict("Defects", "defect", trials),
        *_by_verdict("Refuted claims", "refuted", trials),
        "## Experiment by experiment",
        *(_experiment(trial) for trial in trials),
    ]
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def _latest(rows: Sequence[Row]) -> list[list[Row]]:
    """Keep, of trials that differ in run and gradbench alone, the one recorded last."""
    latest: dict[tuple[str, ...], list[Row]] = {}
    for (*names, _, _), trial in by_trial(rows).items():
        known = latest.get(tuple(names))
        if known is None or _recorded(trial) >= _recorded(known):
            latest[tuple(names)] = trial
    return list(latest.values())


def _recorded(trial: Sequence[Row]) -> str:
    return max(str(row["recorded_at"] or "") for row in trial)


def _where(rows: Iterable[Row]) -> str:
    """Name the hardware and PyTorch, and the day."""
    environments = {
        f"{row['device_name'] or row['device']} with torch {row['torch_version']}"
        for row in rows
        if row["verdict"] != "skipped"
    }
    days = sorted(str(row["recorded_at"])[:10] for row in rows if row["recorded_at"])
    return (
        f"{', and on '.join(sorted(environments)) or 'no device'}, on {days[-1] if days else '?'}"
    )


def _name(trial: Sequence[Row]) -> str:
    return f"`{trial[0]['experiment']}` on {trial[0]['device']}"


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _overview(trials: Sequence[Sequence[Row]]) -> str:
    lines = ["| experiment | question | cases |", "|---|---|---|"]
    for trial in trials:
        name = str(trial[0]["experiment"])
        link = f"[{_name(trial)}](#{_anchor(_name(trial))})"
        lines.append(f"| {link} | {escape(_question(name))} | {_counts(trial)} |")
    return "\n".join(lines)


def _question(experiment: str) -> str:
    """Take the first paragraph of the docstring of an experiment's file, or a folder's comment.

    A folder holds one topic in each file; what it is about is the first line of its option.
    """
    file = experiments_folder() / f"{experiment}.py"
    if file.is_file():
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        return " ".join(text.partition("\n\n")[0].split())
    option = configuration_folder() / "experiment" / f"{experiment}.yaml"
    if option.is_file():
        return option.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()
    return ""


def _by_verdict(heading: str, verdict: str, trials: Sequence[Sequence[Row]]) -> list[str]:
    """Write the rows of a verdict, experiment by experiment."""
    sections = []
    for trial in trials:
        rows = [row for row in trial if row["verdict"] == verdict]
        if rows:
            table = _table(rows) if len(rows) <= LONG else _counted(rows)
            sections += [f"### {heading}: {_name(trial)}", table, *_listings(rows)]
    return [f"## {heading}", *sections] if sections else []


def _table(rows: Sequence[Row], *, verdicts: bool = False) -> str:
    """Write rows as a table: what all experiments say, then what some add; sources by number."""
    columns = {**({"verdict": "verdict"} if verdicts else {}), **_COLUMNS}
    columns |= {
        column.name: column.name.replace("_", " ")
        for column in ADDED
        if not column.name.endswith(("_low", "_high")) and not _is_listing(column.name, rows)
    }
    shown = {name: title for name, title in columns.items() if any(_given(r, name) for r in rows)}
    sources = list(dict.fromkeys(str(row["source"]) for row in rows if _given(row, "source")))
    heads = [*shown.values(), *(["source"] if sources else [])]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [_cell(row, name) for name in shown]
        if sources:
            cells.append(str(1 + sources.index(row["source"])) if _given(row, "source") else "")
        lines.append(f"| {' | '.join(cells)} |")
    numbered = [f"{place}. {escape(source)}" for place, source in enumerate(sources, 1)]
    return "\n".join([*lines, *(["", "Sources:", "", *numbered] if sources else [])])


def _cell(row: Row, name: str) -> str:
    """Write a value, a figure with its interval."""
    if name == "verdict":
        return str(row[name]).replace("_", " ")
    if _given(row, f"{name}_low"):
        figures = (escape(row[name + end]) for end in ("", "_low", "_high"))
        return "{} ({} to {})".format(*figures)
    return escape(row.get(name))


def _given(row: Row, name: str) -> bool:
    return row.get(name) not in (None, "")


def _is_listing(name: str, rows: Iterable[Row]) -> bool:
    """Say whether a column holds code, which a table cannot show."""
    return any("\n" in str(row.get(name) or "").strip() for row in rows)


def _listings(rows: Sequence[Row]) -> list[str]:
    """Write the columns that hold code, folded away."""
    sections = []
    for column in ADDED:
        if not _is_listing(column.name, rows):
            continue
        for row in rows:
            if _given(row, column.name):
                code = str(row[column.name]).strip()
                fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
                title = escape(f"{column.name.replace('_', ' ')}: {row['case']}")
                sections.append(
                    f"<details><summary>{title}</summary>\n\n{fence}python\n{code}\n{fence}\n\n"
                    "</details>"
                )
    return sections


def _experiment(trial: Sequence[Row]) -> str:
    """Write an experiment's question and counts, its matrices, and the cases not listed above."""
    question = escape(_question(str(trial[0]["experiment"])))
    parts = [f"### {_name(trial)}", question, f"{_counts(trial)}."]
    parts += [matrix.markdown() for matrix in matrices(trial)]
    others = [row for row in by_urgency(trial) if row["verdict"] not in NOTABLE]
    if len(trial) > LONG:
        parts.append(_counted(trial))
    elif others:
        parts.append(_table(others, verdicts=True))
    return "\n\n".join(parts)


def _counts(trial: Sequence[Row]) -> str:
    return counts(trial).replace("_", " ")


def _counted(trial: Sequence[Row]) -> str:
    """Count rows by verdict and by what was expected and seen, with one case of each."""

    def kind(row: Row) -> tuple[str, ...]:
        return tuple(str(row[name] or "") for name in ("verdict", "expected", "outcome"))

    counted = []
    for _, same in groupby(by_urgency(sorted(trial, key=kind)), key=kind):
        rows = list(same)
        verdict, *seen = kind(rows[0])
        example: list[Any] = [rows[0]["case"], rows[0]["message"], ""]
        if verdict in NOTABLE:
            example[2] = together(dict.fromkeys(r["strategy"] for r in rows if r.get("strategy")))
        counted.append([verdict.replace("_", " "), *seen, len(rows), *example])
    header = ["verdict", "expected", "seen", "cases", "such as", "its evidence", "all by"]
    kept = [place for place in range(len(header)) if any(row[place] for row in counted)]
    return markdown_table(
        [header[place] for place in kept], [[row[place] for place in kept] for row in counted]
    )


def main(
    paths: Annotated[list[Path], typer.Argument(help="Folders of results.")],
) -> None:
    """Write the page of what stored experiments found."""
    sys.stdout.write(findings_page(rows_of(load_or_exit(paths, "observations"))))


if __name__ == "__main__":
    typer.run(main)
