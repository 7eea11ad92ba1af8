"""A check or a failure mode of the atlas, explained: why, what instead, and code that shows it."""

from __future__ import annotations

import ast
import inspect
import io
from collections.abc import Iterator

import torch
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from gradbench.diagnosis.check_list import all_checks, unknown_check
from gradbench.diagnosis.finding import Check
from gradbench.diagnosis.tell.atlas import find_mode, mode_names
from gradbench.diagnosis.tell.rule_help import DOCUMENTATION, explain_command, with_links
from gradbench.diagnosis.tell.screen import STYLES
from gradbench.diagnosis.tell.sentence import prose
from gradbench.diagnosis.tell.source_code import highlighted
from gradbench.diagnosis.tell.words import BECOMES, counted
from gradbench.observing.failure_mode import FailureMode
from gradbench.observing.pasteable import pasteable

_KINDS = {"broken": "Fails", "fix": "Instead", "twin": "Looks like it and is fine"}
_WIDTH = 100


def explain(check_id: str) -> RenderableType:
    """Explain a check.

    Args:
        check_id: Such as ``GB101``, in small letters or capitals; or the name of a failure mode
            of the atlas.

    Returns:
        What rich prints: title, why, what to write instead, the atlas's code, where it is
        documented.

    Raises:
        BadRequest: There is no such check or mode; the message names what there is.
    """
    checks = all_checks()
    module = checks.get(check_id.upper())
    if module is not None:
        return explained(module.CHECK)
    mode = find_mode(check_id)
    if mode is None:
        raise unknown_check(check_id, checks, mode_names())
    return Group(*_mode(mode))


def explain_text(check_id: str) -> str:
    """Explain a check in plain text.

    Args:
        check_id: As of `explain`.

    Returns:
        Lines of at most 100 signs, but for code.

    Raises:
        BadRequest: There is no such check or mode.
    """
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None, record=True)
    console.print(explain(check_id))
    lines = console.export_text().splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def explained(check: Check) -> RenderableType:
    """Explain a check that need not be among those that there are.

    Args:
        check: The check.

    Returns:
        What rich prints.
    """
    style = STYLES[check.severity]
    becomes = BECOMES.get(check.symptom, check.symptom)
    heading = Text.assemble((f"{check.id} {check.severity.value}", style), f" · {becomes}")
    parts: list[RenderableType] = [
        Rule(heading, align="left", style="dim"),
        prose(check.title, "bold"),
        Text(),
        prose(check.why),
    ]
    if check.sure_after:
        parts.append(Text(f"Sure after {counted(check.sure_after, 'updates')}.", "dim"))
    if check.fix:
        parts += [*_heading("Write instead"), _code(check.fix)]
    parts += [*_heading("Documented"), Text(with_links(check.source) or DOCUMENTATION)]
    parts += _atlas(check)
    parts += [
        *_heading("To keep it silent"),
        _code(f"...  # gradbench: ignore[{check.id}]"),
        Text("at the line that the finding names, if that is meant.", "dim"),
    ]
    return Group(*parts)


def checks_table() -> Table:
    """List all checks.

    Returns:
        A row for each: id, severity, what becomes of the gradient, title.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("check", "severity", "becomes", "title"):
        table.add_column(name, no_wrap=name != "title")
    for module in all_checks().values():
        check = module.CHECK
        severity = Text(check.severity.value, STYLES[check.severity])
        table.add_row(check.id, severity, check.symptom, prose(check.title))
    return table


def _atlas(check: Check) -> Iterator[RenderableType]:
    """Show the most typical failure mode with its code, and name the others."""
    modes = [mode for mode in map(find_mode, check.atlas) if mode is not None]
    if not modes:
        return
    yield Text()
    yield from _mode(modes[0])
    if len(modes) > 1:
        yield from _heading("Also in the atlas")
        for mode in modes[1:]:
            command = Text(f"\n    {explain_command(mode.name)}", "dim")
            yield Text.assemble("- ", prose(mode.title), command)


def _mode(mode: FailureMode) -> Iterator[RenderableType]:
    """Show a failure mode: what becomes of it, and the three pieces of code."""
    yield Rule(Text(f"atlas: {mode.name}"), align="left", style="dim")
    yield prose(mode.title, "bold")
    said = f"with “{mode.says}”" if mode.says else "silently"
    yield Text(f"becomes {mode.state.value}, {said}")
    if mode.promise:
        yield prose(f"PyTorch promises: “{mode.promise}”")
    if mode.source:
        yield Text(with_links(mode.source), "dim")
    for kind, heading in _KINDS.items():
        probe = getattr(mode, kind)
        yield from _heading(heading)
        yield prose(inspect.getdoc(probe) or "")
        yield _code(_without_docstring(pasteable(probe, torch.device("cpu"))))


def _without_docstring(code: str) -> str:
    """Take the docstrings of functions out of code: they stand above it as prose."""
    lines = code.splitlines()
    for node in reversed(ast.parse(code).body):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) and node.body[1:]:
            said = node.body[0]
            del lines[said.lineno - 1 : said.end_lineno]
    return "\n".join(lines)


def _heading(words: str) -> Iterator[RenderableType]:
    yield Text()
    yield Text(words, "bold")


def _code(code: str) -> RenderableType:
    text = highlighted(code)
    text.no_wrap, text.overflow = False, "fold"  # it is to be pasted: nothing may be cut
    return Padding(text, (0, 0, 0, 4), expand=False)
