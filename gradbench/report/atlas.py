"""The atlas of failure modes as Markdown: ``python -m gradbench.report.atlas results/RUN``."""

from __future__ import annotations

import html
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from gradbench.report.markdown import escape
from gradbench.report.observations import Row, by_trial, by_urgency, rows_of
from gradbench.results.load import load
from gradbench.terminal.console import check_folders

EXPERIMENT = "failure_modes"
_HEAD = """\
# Failure modes

Ways to end up with a None, zero, stale, doubled, lost or wrong gradient or update: {modes}, as seen
on {where}. Each comes with its fix and with a twin: code that looks like
it and is fine. All three ran, and the code is what ran. This page is written by
`python -m gradbench.report.atlas` from stored rows, and edited by nobody.
"""
_SYMPTOM = """\
*Silent* is what gives neither error nor warning. A *defect* is silent and breaks a promise of
PyTorch's documentation; what is *as documented* is described there; the others are *confirmed*
reports, or found here. `got` is what the code ended up with, `right` what it should be.
"""
_KINDS = {"broken": "Fails", "fix": "Instead", "twin": "Looks like it and is fine"}
_CODE = re.compile(r"(`[^`]+`)")
_SPACES = re.compile(r"\A(\s*)(.*?)(\s*)\Z", re.DOTALL)
_ISSUE = re.compile(r"\b(pt|tutorials)#(\d+)")
_REPOSITORIES = {"pt": "pytorch/pytorch", "tutorials": "pytorch/tutorials"}

Mode = Mapping[str, Row]


def atlas_page(rows: Iterable[Row]) -> str:
    """Write the whole atlas: a table of symptoms, then every mode with its three pieces of code.

    Args:
        rows: Rows of ``observations``; of several trials the last one recorded counts.

    Returns:
        Markdown.

    Raises:
        ValueError: There are no rows of the experiment ``failure_modes``.
    """
    trial = _latest(rows)
    topics = _topics(trial)
    modes = [mode for found in topics.values() for mode in found]
    sections = [
        _HEAD.format(modes=len(modes), where=_where(trial)),
        _counts(modes),
        _SYMPTOM,
        *_defects(modes),
        "## All modes",
        atlas_table(trial),
    ]
    for topic, found in topics.items():
        sections.append(f"## {_words(topic)}")
        sections += [_section(mode) for mode in found]
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def atlas_table(rows: Iterable[Row]) -> str:
    """Write one line for each mode: what goes wrong, what becomes of it, and how it shows.

    Args:
        rows: Rows of ``observations``.

    Returns:
        A Markdown table, by topic, the most urgent verdicts of each first.

    Raises:
        ValueError: There are no rows of the experiment ``failure_modes``.
    """
    lines = [
        "| topic | mode | becomes | shows as | verdict | source |",
        "|---|---|---|---|---|---|",
    ]
    for topic, modes in _topics(_latest(rows)).items():
        shown = _words(topic)
        for mode in modes:
            row = mode["broken"]
            link = f"[{_prose(row['title'])}](#{row['case']})"
            cells = (shown, link, _state(row), _manner(row), _verdict(mode), _source(row))
            lines.append(f"| {' | '.join(cells)} |")
            shown = ""
    return "\n".join(lines)


def _latest(rows: Iterable[Row]) -> list[Row]:
    """Keep the rows of the trial of failure modes that was recorded last."""
    trials = by_trial(row for row in rows if row["experiment"] == EXPERIMENT and row.get("kind"))
    if not trials:
        raise ValueError(f"no observations of the experiment {EXPERIMENT}")
    return max(trials.values(), key=lambda trial: str(trial[0].get("recorded_at") or ""))


def _topics(trial: Iterable[Row]) -> dict[str, list[Mode]]:
    """Group rows by topic, then by mode: its ``broken``, ``fix`` and ``twin``."""
    modes: dict[tuple[str, str], dict[str, Row]] = {}
    for row in trial:
        name = str(row["case"]).partition("/")[0]
        modes.setdefault((str(row["topic"]), name), {})[str(row["kind"])] = row
    whole = {key: mode for key, mode in modes.items() if mode.keys() == _KINDS.keys()}
    topics: dict[str, list[Mode]] = {}
    order = by_urgency(mode["broken"] for mode in whole.values())
    for row in sorted(order, key=lambda row: str(row["topic"])):
        topics.setdefault(str(row["topic"]), []).append(whole[row["topic"], row["case"]])
    return topics


def _where(trial: Sequence[Row]) -> str:
    row = trial[0]
    return f"{row.get('device_name') or row['device']} with torch {row['torch_version']}"


def _words(topic: str) -> str:
    return topic.replace("_", " ").capitalize()


def _prose(text: object) -> str:
    """Return text that is safe in a cell of a table, with what is in backticks left as code."""
    parts = _CODE.split(str(text))
    return "".join(
        part.replace("|", "\\|") if place % 2 else _SPACES.sub(_escape_between, part)
        for place, part in enumerate(parts)
    )


def _escape_between(found: re.Match[str]) -> str:
    """Escape what is between the white space at both ends, which stays."""
    return f"{found[1]}{escape(found[2])}{found[3]}"


def _html(text: object) -> str:
    """Return text for where Markdown is not read, with what is in backticks as code."""
    parts = _CODE.split(html.escape(str(text), quote=False))
    return "".join(
        f"<code>{part[1:-1]}</code>" if place % 2 else part for place, part in enumerate(parts)
    )


def _state(row: Row) -> str:
    return escape(row["state"] or "not run")


def _manner(row: Row) -> str:
    """Say how the failure shows: not at all, or in which words."""
    if row["verdict"] == "skipped":
        return escape(row["message"])
    _, _, manner = str(row["outcome"]).partition(", ")
    return "silent" if manner == "silently" else escape(manner.removeprefix("with "))


def _verdict(mode: Mode) -> str:
    """Return the verdict on the broken code, and what is amiss with the other two."""
    amiss = [kind for kind in ("fix", "twin") if mode[kind]["verdict"] == "refuted"]
    verdict = str(mode["broken"]["verdict"]).replace("_", " ")
    shown = f"**{verdict}**" if verdict in ("defect", "refuted") else verdict
    return "; ".join([shown, *(f"**the {kind} fails**" for kind in amiss)])


def _source(row: Row) -> str:
    """Return the source with issues as links."""

    def link(found: re.Match[str]) -> str:
        url = f"https://github.com/{_REPOSITORIES[found[1]]}/issues/{found[2]}"
        return f"[{found[0]}]({url})"

    return _ISSUE.sub(link, escape(row["source"]))


def _counts(modes: Sequence[Mode]) -> str:
    """Tabulate what becomes of gradients against how it shows."""
    found: Counter[tuple[str, str]] = Counter()
    for mode in modes:
        state, manner = _state(mode["broken"]), _manner(mode["broken"])
        if mode["broken"]["state"]:
            warned = "error" if state == "error" else "warning"
            found[state, manner if manner == "silent" else warned] += 1
    manners = [name for name in ("silent", "warning", "error") if any(k[1] == name for k in found)]
    lines = [f"| becomes | {' | '.join(manners)} |", "|---|" + "---:|" * len(manners)]
    for state in sorted(
        {key[0] for key in found}, key=lambda s: -sum(found[s, m] for m in manners)
    ):
        cells = [str(found[state, manner] or "") for manner in manners]
        lines.append(f"| {state} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _defects(modes: Iterable[Mode]) -> list[str]:
    """List what is silent against a promise."""
    lines = [
        f"- [{_prose(row['title'])}](#{row['case']}): {_prose(row['why'])} "
        f"Promised: “{_prose(row['promise'])}” ({_source(row)})"
        for row in (mode["broken"] for mode in modes)
        if row["verdict"] == "defect"
    ]
    return ["## Defects", "\n".join(lines)] if lines else []


def _section(mode: Mode) -> str:
    """Write a mode: why, what was seen, and the three pieces of code, folded away."""
    row = mode["broken"]
    parts = [
        f'### <a id="{row["case"]}"></a>{_prose(row["title"])}',
        f"{_prose(row['why'])} → **{_state(row)}**, {_manner(row)}: {_verdict(mode)}."
        + (f" Source: {_source(row)}." if row["source"] else ""),
    ]
    if row["message"]:
        parts.append(f"> {escape(row['message'])}")
    for kind, heading in _KINDS.items():
        code = str(mode[kind]["code"]).strip()
        said = _html(mode[kind]["why"]) if kind != "broken" else ""
        summary = f"<b>{heading}</b>" + (f": {said}" if said else "")
        parts.append(
            f"<details><summary>{summary}</summary>\n\n```python\n{code}\n```\n\n</details>"
        )
    return "\n\n".join(parts)


def main(paths: Annotated[list[Path], typer.Argument(help="Folders of results.")]) -> None:
    """Write the atlas of failure modes from stored rows."""
    check_folders(paths)
    rows = [row for path in paths for row in rows_of(load(path, "observations"))]
    try:
        page = atlas_page(rows)
    except ValueError as error:
        typer.echo(f"{error} below {', '.join(map(str, paths))}", err=True)
        raise typer.Exit(2) from error
    sys.stdout.write(page)


if __name__ == "__main__":
    typer.run(main)
